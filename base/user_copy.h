// user_copy: copies to or from memory that belongs to the application.
//
// A bad application pointer must end as EFAULT, as in the kernel, not as a
// crash inside us. The copies below are the only code that touches application
// memory; they sit between two symbols, and whoever owns SIGSEGV and SIGBUS (the
// shim) sends a fault between them to `base_user_copy_fault`. Without such a
// handler (a program that links the library) a bad pointer is that program's
// own SIGSEGV, as with any library.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
// Copies `size_bytes` bytes with ordinary (cached) stores. Returns the number
// of bytes NOT copied: 0 is success, anything else means EFAULT.
size_t base_user_copy(void *to, const void *from, size_t size_bytes);

// The same with non-temporal stores, for data on its way to the media; `to`
// and `size_bytes` must be multiples of 16. The caller owes the fence.
size_t base_user_copy_nt(void *to, const void *from, size_t size_bytes);

// The byte that stands there, or -1: EFAULT.
long base_user_byte(const void *from);

// The code range in which a fault is a bad application pointer, and where such
// a fault continues (all registers kept; it returns what rcx says is left).
extern const char base_user_copy_begin[];
extern const char base_user_copy_end[];
extern const char base_user_copy_fault[];

// Private to the copies: they may use 32-byte registers.
extern __attribute__((visibility("hidden"))) bool base_user_copy_wide;
}
