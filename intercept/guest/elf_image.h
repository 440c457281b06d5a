// elf_image: maps a program or its interpreter as execve(2) would.
#pragma once

#include "intercept/objects/object.h"

#include <elf.h>

namespace intercept {

struct ElfImage {
    uint64_t base; // what is added to the file's addresses
    AddressRange span;
    uint64_t entry;
    uint64_t headers; // address of the program headers
    unsigned header_count;
    bool executable_stack;
    char interpreter[256]; // "" = none
};

// The program headers of an executable, without mapping anything. `descriptor` is open for reading.
// 0; -ENOEXEC: not an x86-64 ELF program, or cut short; -errno of reading.
int elf_read_interpreter(int descriptor, char (&interpreter)[256]);

// Is it a program without an interpreter? (The loader itself, which is one, is not a program.)
bool elf_is_static_program(int descriptor);
// Made by Go's linker, which says so in a note. Linked dynamically (as with cgo, so whatever looks up hosts or users),
// it makes its calls nevertheless itself, from text that has no frames, so that none of them can be proved and patched.
bool elf_is_go_program(int descriptor);

// Maps it. A position-independent one goes near `hint` (0: where the kernel likes). 0, or -ENOEXEC,
// -EEXIST: its fixed address is taken, -errno of mmap. What was mapped before a failure stays.
int elf_map(int descriptor, uint64_t hint, ElfImage &out);

} // namespace intercept
