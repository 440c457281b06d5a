// elf_file: what the kernel and the loader read of an ELF file before we are there.
#pragma once

#include "libpmemfile/runtime/open_file.h"
#include "posix-shim/process/context.h"

#include <cstdint>
#include <elf.h>
#include <string_view>

namespace shim {

constexpr unsigned max_program_headers = 24;
constexpr unsigned max_dynamic_entries = 256;

// Where its bytes are: in a pool, or (`thread` null) behind a descriptor of the host.
struct ElfSource {
    pmemfile::Thread *thread = nullptr;
    pmemfile::InodeNumber inode = 0;
    long descriptor = -1;
};

// Some 6 KiB: not for the stack of a hook.
struct ElfFile {
    ElfSource source;
    Elf64_Ehdr header;
    Elf64_Phdr segments[max_program_headers];
    Elf64_Dyn entries[max_dynamic_entries];
    size_t entry_count; // of the dynamic section, without its end; 0: there is none
    uint64_t entries_offset_bytes;
    uint64_t strings_offset_bytes;
    uint64_t strings_address; // as it is linked
};

// False: not an ELF file of 64 bits, or it has more than we look at.
bool elf_read(ElfFile &file, const ElfSource &source);
// Bytes of the file, zeros where it ends; with `whole` false is fewer are there.
bool elf_bytes(const ElfSource &source, uint64_t offset_bytes, void *to, size_t size_bytes, bool whole = true);
// The string of the dynamic section that `entry` names, with NUL, cut where `to` ends; false: it cannot be read.
bool elf_string(const ElfFile &file, const Elf64_Dyn &entry, char *to, size_t size_bytes);
// The header of the first segment of `type`; null: none.
const Elf64_Phdr *elf_segment(const ElfFile &file, uint32_t type);
// The path of PT_INTERP, with NUL, into `to` of path_max_bytes. False: none that can be read.
bool elf_interpreter(const ElfFile &file, char *to);
// The same of a file that has not been read yet.
bool elf_interpreter_of(const ElfSource &source, char *to);

} // namespace shim
