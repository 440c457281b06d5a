// exempt_range: the one stretch of addresses whose system calls the kernel does not trap.
//
//   program   JIT, dlopen'ed objects     [ stubs  libraries of the start  ld.so ]   stack
//   trapped   trapped                      exempt                                  trapped
//
// What was there at the start and is patched lies together, where the loader put it. In the
// holes between nothing may be mapped later, so they are filled with nothing.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/patch/arena.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

// Chooses the range from the objects loaded now and their stubs, fills its holes and reserves memory for stubs in it.
// Once; before the stubs are written. One thread. 0, or -ENOMEM, -ENOENT (no libc.so.6 among the objects).
int exempt_range_start(const Arenas &arenas);

// {0, 0} before.
AddressRange exempt_range();
// Is there a range, and `address` not in it?
bool is_outside_exempt(uint64_t address);

// `size_bytes`, whole pages, readable and writable, of the reserved memory; 0 when it is used up. Any context.
uint64_t exempt_pages(size_t size_bytes);

// A system call instruction in the range that goes on at `back`. 0: none left. To be called while stubs are
// written, by one thread; executable after exempt_gadgets_seal.
uint64_t exempt_gadget(uint64_t back);
void exempt_gadgets_seal();

} // namespace intercept
