#include "posix-shim/process/elf_file.h"

#include "base/raw_syscall.h"
#include "libpmemfile/file/data.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

namespace shim {
namespace {

// Where in the file the byte at address `address` stands.
bool offset_of(const ElfFile &file, uint64_t address, uint64_t *offset_bytes) {
    for (unsigned i = 0; i < file.header.e_phnum; i++) {
        const Elf64_Phdr &segment = file.segments[i];
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
            continue;
        *offset_bytes = segment.p_offset + (address - segment.p_vaddr);
        return true;
    }
    return false;
}

} // namespace

bool elf_bytes(const ElfSource &source, uint64_t offset_bytes, void *to, size_t size_bytes, bool whole) {
    std::memset(to, 0, size_bytes);
    size_t got = 0;
    if (source.thread != nullptr) {
        const iovec vector = {to, size_bytes};
        const base::Result<size_t> read = pmemfile::data_read(*source.thread, source.inode, offset_bytes, {&vector, 1});
        got = read.ok() ? *read : 0;
    } else {
        const long read = base::raw_syscall(SYS_pread64, source.descriptor, base::as_long(to),
                                            static_cast<long>(size_bytes), static_cast<long>(offset_bytes));
        got = base::is_error(read) ? 0 : static_cast<size_t>(read);
    }
    return got == size_bytes || (!whole && got > 0);
}

bool elf_read(ElfFile &file, const ElfSource &source) {
    file.source = source;
    file.entry_count = 0;
    Elf64_Ehdr &header = file.header;
    if (!elf_bytes(source, 0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phnum == 0 || header.e_phnum > max_program_headers ||
        header.e_phentsize != sizeof(Elf64_Phdr) ||
        !elf_bytes(source, header.e_phoff, file.segments, header.e_phnum * sizeof(Elf64_Phdr)))
        return false;
    const Elf64_Phdr *dynamic = elf_segment(file, PT_DYNAMIC);
    if (dynamic == nullptr)
        return true;
    const size_t count = std::min<size_t>(dynamic->p_filesz / sizeof(Elf64_Dyn), max_dynamic_entries);
    if (!elf_bytes(source, dynamic->p_offset, file.entries, count * sizeof(Elf64_Dyn)))
        return false;
    file.entries_offset_bytes = dynamic->p_offset;
    size_t end = 0;
    for (; end < count && file.entries[end].d_tag != DT_NULL; end++)
        if (file.entries[end].d_tag == DT_STRTAB) {
            file.strings_address = file.entries[end].d_un.d_ptr;
            if (!offset_of(file, file.strings_address, &file.strings_offset_bytes))
                return false;
        }
    file.entry_count = end;
    return true;
}

bool elf_string(const ElfFile &file, const Elf64_Dyn &entry, char *to, size_t size_bytes) {
    to[size_bytes - 1] = 0;
    return elf_bytes(file.source, file.strings_offset_bytes + entry.d_un.d_val, to, size_bytes - 1, false);
}

const Elf64_Phdr *elf_segment(const ElfFile &file, uint32_t type) {
    for (unsigned i = 0; i < file.header.e_phnum; i++)
        if (file.segments[i].p_type == type)
            return &file.segments[i];
    return nullptr;
}

bool elf_interpreter(const ElfFile &file, char *to) {
    const Elf64_Phdr *segment = elf_segment(file, PT_INTERP);
    if (segment == nullptr || segment->p_filesz < 2 || segment->p_filesz > pmemfile::path_max_bytes ||
        !elf_bytes(file.source, segment->p_offset, to, segment->p_filesz))
        return false;
    to[segment->p_filesz - 1] = 0;
    return true;
}

bool elf_interpreter_of(const ElfSource &source, char *to) {
    const long memory =
        base::raw_syscall(SYS_mmap, 0, sizeof(ElfFile), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return false;
    auto &file = *reinterpret_cast<ElfFile *>(memory);
    const bool found = elf_read(file, source) && elf_interpreter(file, to);
    base::raw_syscall(SYS_munmap, memory, sizeof(ElfFile));
    return found;
}

} // namespace shim
