// program_break: the heap of a program that has its own C library.
//
// The process has one break, and our C library's malloc moves it for the hooks. Programs may take for granted that
// nobody but they do: musl never asks again where it is. So the program's break is a range of its own, behind its
// image.
#pragma once

#include <cstdint>

namespace intercept {

// Where the program's image ends.
void program_break_start(uint64_t image_end);

// brk(2): the new break, or the one that stays.
long program_break_move(uint64_t wanted);

// In a forked child: a thread that it does not have may have been moving it.
void program_break_after_fork();

} // namespace intercept
