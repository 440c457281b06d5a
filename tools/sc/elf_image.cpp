#include "tools/sc/elf_image.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace sc {
namespace {

constexpr uint64_t image_bytes_max = uint64_t{4} << 30;
constexpr uint64_t page_bytes = 4096;

} // namespace

ElfImage::~ElfImage() {
    if (memory_ != nullptr)
        munmap(memory_, memory_bytes_);
}

std::string ElfImage::open(const std::string &path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? strerror(EISDIR) : "not an ordinary file";
    FILE *file = fopen(path.c_str(), "re");
    if (file == nullptr)
        return strerror(errno);
    std::string bytes;
    std::vector<char> block(1 << 20);
    errno = 0;
    while (const size_t got = fread(block.data(), 1, block.size(), file))
        bytes.append(block.data(), got);
    const int reason = ferror(file) != 0 ? errno : 0;
    fclose(file);
    if (reason != 0)
        return strerror(reason);
    path_ = path;
    return lay_out(bytes);
}

std::string ElfImage::lay_out(const std::string &bytes) {
    Elf64_Ehdr header;
    if (bytes.size() < EI_NIDENT || memcmp(bytes.data(), ELFMAG, SELFMAG) != 0)
        return "no ELF file";
    if (bytes.size() < sizeof header)
        return "cut short: not even a whole ELF header";
    memcpy(&header, bytes.data(), sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64)
        return fmt::format("not for x86-64 (ELF machine {}, class {})", header.e_machine, header.e_ident[EI_CLASS]);
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return header.e_type == ET_REL ? "an object file that is not linked yet" : "neither a program nor a library";
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum == PN_XNUM)
        return "no program headers";
    if (header.e_phoff > bytes.size() || bytes.size() - header.e_phoff < header.e_phnum * sizeof(Elf64_Phdr))
        return "cut short: the program headers are missing";
    std::vector<Elf64_Phdr> headers(header.e_phnum);
    memcpy(headers.data(), bytes.data() + header.e_phoff, headers.size() * sizeof(Elf64_Phdr));
    uint64_t begin = UINT64_MAX, end = 0;
    for (const Elf64_Phdr &one : headers) {
        if (one.p_type != PT_LOAD)
            continue;
        if (one.p_filesz > one.p_memsz || one.p_vaddr + one.p_memsz < one.p_vaddr)
            return "damaged: a segment that cannot be";
        if (one.p_offset > bytes.size() || bytes.size() - one.p_offset < one.p_filesz)
            return fmt::format("cut short: a segment ends at {}, the file has {} bytes", one.p_offset + one.p_filesz,
                               bytes.size());
        begin = std::min(begin, one.p_vaddr & ~(page_bytes - 1));
        end = std::max(end, one.p_vaddr + one.p_memsz);
    }
    if (begin >= end)
        return "nothing in it is loaded";
    if (end - begin > image_bytes_max)
        return "damaged: segments too far apart";
    memory_bytes_ = (end - begin + page_bytes - 1) & ~(page_bytes - 1);
    memory_ = mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) {
        memory_ = nullptr;
        return strerror(errno);
    }
    dl_phdr_info info = {};
    info.dlpi_addr = reinterpret_cast<uint64_t>(memory_) - begin;
    info.dlpi_name = path_.c_str();
    info.dlpi_phdr = headers.data();
    info.dlpi_phnum = header.e_phnum;
    for (const Elf64_Phdr &one : headers) {
        if (one.p_type == PT_LOAD)
            memcpy(reinterpret_cast<void *>(info.dlpi_addr + one.p_vaddr), bytes.data() + one.p_offset, one.p_filesz);
        else if ((one.p_type == PT_DYNAMIC || one.p_type == PT_NOTE || one.p_type == PT_GNU_EH_FRAME) &&
                 (one.p_vaddr < begin || one.p_vaddr > end || end - one.p_vaddr < one.p_memsz))
            return "damaged: a header that leads out of the file";
    }
    intercept::describe_object(object_, info);
    relocate();
    return {};
}

// What the loader adds the load address to. Addresses of other objects stay unknown, as they are
// to the planner in a running program, where they lead out of the object.
void ElfImage::relocate() {
    auto inside = [&](uint64_t address) { return object_.readable(address, sizeof(uint64_t)); };
    const uint64_t table = intercept::dynamic_address(object_, DT_RELA);
    const uint64_t table_bytes = intercept::dynamic_value(object_, DT_RELASZ);
    const intercept::SymbolTable symbols = intercept::symbol_table(object_);
    if (table != 0 && object_.readable(table, table_bytes))
        for (uint64_t at = table; at + sizeof(Elf64_Rela) <= table + table_bytes; at += sizeof(Elf64_Rela)) {
            Elf64_Rela relocation;
            memcpy(&relocation, reinterpret_cast<const void *>(at), sizeof relocation);
            const uint64_t place = object_.base + relocation.r_offset;
            const auto type = ELF64_R_TYPE(relocation.r_info);
            const auto symbol = ELF64_R_SYM(relocation.r_info);
            uint64_t value = 0;
            if (type == R_X86_64_RELATIVE || type == R_X86_64_IRELATIVE)
                value = object_.base + static_cast<uint64_t>(relocation.r_addend);
            else if ((type == R_X86_64_64 || type == R_X86_64_GLOB_DAT) && symbol < symbols.count &&
                     symbols.symbols[symbol].st_shndx != SHN_UNDEF)
                value = object_.base + symbols.symbols[symbol].st_value + static_cast<uint64_t>(relocation.r_addend);
            if (value != 0 && inside(place))
                memcpy(reinterpret_cast<void *>(place), &value, sizeof value);
        }
    // RELR: a word names a place, or says which of the 63 behind it are places too.
    constexpr int64_t tag_relr = 36, tag_relr_bytes = 35;
    const uint64_t packed = intercept::dynamic_address(object_, tag_relr);
    const uint64_t packed_bytes = intercept::dynamic_value(object_, tag_relr_bytes);
    if (packed == 0 || !object_.readable(packed, packed_bytes))
        return;
    auto add_base = [&](uint64_t place) {
        uint64_t value;
        if (!inside(place))
            return;
        memcpy(&value, reinterpret_cast<const void *>(place), sizeof value);
        value += object_.base;
        memcpy(reinterpret_cast<void *>(place), &value, sizeof value);
    };
    uint64_t next = 0;
    for (uint64_t at = packed; at + sizeof(uint64_t) <= packed + packed_bytes; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, reinterpret_cast<const void *>(at), sizeof word);
        if ((word & 1) == 0) {
            add_base(object_.base + word);
            next = object_.base + word + sizeof word;
        } else {
            for (unsigned bit = 0; bit < 63; bit++)
                if ((word >> (bit + 1) & 1) != 0)
                    add_base(next + bit * sizeof word);
            next += 63 * sizeof word;
        }
    }
}

} // namespace sc
