// System V gABI, "Program Loading", and Linux's fs/binfmt_elf.c where that says more.
#include "intercept/guest/elf_image.h"

#include "base/raw_syscall.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>

namespace intercept {
namespace {

constexpr uint64_t page_bytes = 4096;
constexpr unsigned headers_max = 64;

uint64_t page_begin(uint64_t address) {
    return address & ~(page_bytes - 1);
}
uint64_t page_end(uint64_t address) {
    return (address + page_bytes - 1) & ~(page_bytes - 1);
}

int read_at(int descriptor, void *to, size_t size_bytes, uint64_t offset) {
    long got = base::raw_syscall(SYS_pread64, descriptor, base::as_long(to), static_cast<long>(size_bytes),
                                 static_cast<long>(offset));
    if (base::is_error(got))
        return static_cast<int>(got);
    return static_cast<size_t>(got) == size_bytes ? 0 : -ENOEXEC;
}

struct Headers {
    Elf64_Ehdr file;
    Elf64_Phdr program[headers_max];
};

int read_headers(int descriptor, Headers &out) {
    Elf64_Ehdr &file = out.file;
    if (int result = read_at(descriptor, &file, sizeof file, 0); result != 0)
        return result;
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_ident[EI_CLASS] != ELFCLASS64 ||
        file.e_machine != EM_X86_64 || (file.e_type != ET_EXEC && file.e_type != ET_DYN) ||
        file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum == 0 || file.e_phnum > headers_max)
        return -ENOEXEC;
    return read_at(descriptor, out.program, file.e_phnum * sizeof(Elf64_Phdr), file.e_phoff);
}

// A file that ends before its segments do would be a SIGBUS later.
bool is_whole(int descriptor, const Headers &headers) {
    struct stat status {};
    if (base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status)) != 0)
        return false;
    auto size_bytes = static_cast<uint64_t>(status.st_size);
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        if (header.p_type == PT_LOAD &&
            (header.p_offset > size_bytes || header.p_filesz > size_bytes - header.p_offset))
            return false;
    }
    return true;
}

int read_interpreter(int descriptor, const Headers &headers, char (&out)[256]) {
    out[0] = 0;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        if (header.p_type != PT_INTERP)
            continue;
        if (header.p_filesz < 2 || header.p_filesz > sizeof out)
            return -ENOEXEC;
        if (int result = read_at(descriptor, out, header.p_filesz, header.p_offset); result != 0)
            return result;
        return out[header.p_filesz - 1] == 0 ? 0 : -ENOEXEC;
    }
    return 0;
}

// From the first to behind the last byte of the PT_LOAD segments.
bool span_of(const Headers &headers, AddressRange &out) {
    out = {UINT64_MAX, 0};
    constexpr uint64_t address_limit = uint64_t{1} << 47;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        if (header.p_type != PT_LOAD)
            continue;
        if (header.p_filesz > header.p_memsz || header.p_vaddr >= address_limit || header.p_memsz >= address_limit ||
            header.p_vaddr % page_bytes != header.p_offset % page_bytes)
            return false;
        uint64_t begin = page_begin(header.p_vaddr);
        uint64_t end = page_end(header.p_vaddr + header.p_memsz);
        out.begin = begin < out.begin ? begin : out.begin;
        out.end = end > out.end ? end : out.end;
    }
    return out.begin < out.end;
}

// What the program's variables may ask for: the largest of its segments' alignments, as Linux has it.
uint64_t alignment_of(const Headers &headers) {
    constexpr uint64_t alignment_max = uint64_t{1} << 32;
    uint64_t result = page_bytes;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        const bool is_power = (header.p_align & (header.p_align - 1)) == 0;
        if (header.p_type == PT_LOAD && is_power && header.p_align > result && header.p_align <= alignment_max)
            result = header.p_align;
    }
    return result;
}

int protection_of(const Elf64_Phdr &header) {
    return ((header.p_flags & PF_R) != 0 ? PROT_READ : 0) | ((header.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
           ((header.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
}

long map(uint64_t begin, uint64_t end, int protection, int flags, int descriptor, uint64_t offset) {
    return base::raw_syscall(SYS_mmap, static_cast<long>(begin), static_cast<long>(end - begin), protection,
                             MAP_PRIVATE | flags, descriptor, static_cast<long>(offset));
}

void unmap(uint64_t begin, uint64_t end) {
    if (begin < end)
        base::raw_syscall(SYS_munmap, static_cast<long>(begin), static_cast<long>(end - begin));
}

int map_segment(int descriptor, const Elf64_Phdr &header, uint64_t base) {
    uint64_t begin = base + header.p_vaddr;
    uint64_t file_end = begin + header.p_filesz;
    uint64_t end = begin + header.p_memsz;
    int protection = protection_of(header);
    if (header.p_filesz != 0) {
        long got =
            map(page_begin(begin), page_end(file_end), protection, MAP_FIXED, descriptor, page_begin(header.p_offset));
        if (base::is_error(got))
            return static_cast<int>(got);
    }
    // The rest of the last page is the file's, and has to be zero, to the page's end: loaders allocate from it.
    if (file_end % page_bytes != 0 && header.p_filesz != 0 && (protection & PROT_WRITE) != 0)
        memset(reinterpret_cast<void *>(file_end), 0, page_end(file_end) - file_end);
    if (end == file_end)
        return 0;
    uint64_t rest = header.p_filesz != 0 ? page_end(file_end) : page_begin(begin);
    if (rest >= page_end(end))
        return 0;
    long got = map(rest, page_end(end), protection, MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    return base::is_error(got) ? static_cast<int>(got) : 0;
}

} // namespace

int elf_read_interpreter(int descriptor, char (&interpreter)[256]) {
    Headers headers;
    if (int result = read_headers(descriptor, headers); result != 0)
        return result;
    return read_interpreter(descriptor, headers, interpreter);
}

bool elf_is_static_program(int descriptor) {
    Headers headers;
    if (read_headers(descriptor, headers) != 0)
        return false;
    const Elf64_Phdr *dynamic = nullptr;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        if (headers.program[i].p_type == PT_INTERP)
            return false;
        if (headers.program[i].p_type == PT_DYNAMIC)
            dynamic = &headers.program[i];
    }
    if (headers.file.e_type == ET_EXEC)
        return true;
    // A shared object is one if the linker says so.
    for (uint64_t at = 0; dynamic != nullptr && at < dynamic->p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        if (read_at(descriptor, &entry, sizeof entry, dynamic->p_offset + at) != 0 || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_FLAGS_1)
            return (entry.d_un.d_val & DF_1_PIE) != 0;
    }
    return false;
}

bool elf_is_go_program(int descriptor) {
    constexpr uint32_t go_build_id = 4;
    constexpr unsigned notes_max = 64;
    Headers headers;
    if (read_headers(descriptor, headers) != 0)
        return false;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        const uint64_t align = header.p_align == 8 ? 8 : 4;
        uint64_t at = 0;
        for (unsigned note = 0; header.p_type == PT_NOTE && at < header.p_filesz && note < notes_max; note++) {
            struct {
                Elf64_Nhdr header;
                char name[4];
            } read;
            if (read_at(descriptor, &read, sizeof read, header.p_offset + at) != 0)
                break;
            if (read.header.n_type == go_build_id && read.header.n_namesz == sizeof read.name &&
                memcmp(read.name, "Go", sizeof read.name - 1) == 0)
                return true;
            at += sizeof read.header + ((uint64_t{read.header.n_namesz} + 3) & ~uint64_t{3});
            at = (at + read.header.n_descsz + align - 1) & ~(align - 1);
        }
    }
    return false;
}

int elf_map(int descriptor, uint64_t hint, ElfImage &out) {
    Headers headers;
    out = {};
    if (int result = read_headers(descriptor, headers); result != 0)
        return result;
    if (int result = read_interpreter(descriptor, headers, out.interpreter); result != 0)
        return result;
    AddressRange span{};
    if (!span_of(headers, span) || !is_whole(descriptor, headers))
        return -ENOEXEC;
    // First all of it, so that nothing of ours gets in between.
    bool fixed = headers.file.e_type == ET_EXEC;
    const uint64_t alignment = fixed ? page_bytes : alignment_of(headers);
    uint64_t wanted = fixed ? span.begin : page_begin(hint);
    const uint64_t room_bytes = span.end - span.begin + alignment - page_bytes;
    long got = map(wanted, wanted + room_bytes, PROT_NONE,
                   MAP_ANONYMOUS | MAP_NORESERVE | (fixed ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (base::is_error(got))
        return static_cast<int>(got);
    if (fixed && static_cast<uint64_t>(got) != wanted)
        return -EEXIST;
    // The base is a multiple of the alignment; what is mapped before and behind is given back.
    out.base = fixed ? 0 : (static_cast<uint64_t>(got) - span.begin + alignment - 1) & ~(alignment - 1);
    out.span = {out.base + span.begin, out.base + span.end};
    unmap(static_cast<uint64_t>(got), out.span.begin);
    unmap(out.span.end, static_cast<uint64_t>(got) + room_bytes);
    out.entry = out.base + headers.file.e_entry;
    out.header_count = headers.file.e_phnum;
    for (unsigned i = 0; i < headers.file.e_phnum; i++) {
        const Elf64_Phdr &header = headers.program[i];
        if (header.p_type == PT_LOAD) {
            if (int result = map_segment(descriptor, header, out.base); result != 0)
                return result;
            if (headers.file.e_phoff >= header.p_offset && headers.file.e_phoff < header.p_offset + header.p_filesz)
                out.headers = out.base + header.p_vaddr + (headers.file.e_phoff - header.p_offset);
        }
        out.executable_stack |= header.p_type == PT_GNU_STACK && (header.p_flags & PF_X) != 0;
    }
    return 0;
}

} // namespace intercept
