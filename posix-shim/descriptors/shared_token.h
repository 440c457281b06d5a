// shared_token: numbers for new open files, made by one dup instead of open, lseek and a last close.
//
// A token costs three calls of the kernel that make and free a struct file. Most open files never leave their
// process, and in it the table of words knows them. So a new number is a dup of one token of the pool that
// says nothing (position 0, which is no id): its word alone tells the description. Before something can see
// it that does not read our words it gets a token of its own, under the same number:
//
//   exec (numbers without close-on-exec), vfork (the child reads no words), SCM_RIGHTS, F_SETOWN ─►
//   shared_token_replace fork: the child has a copy of the words
//
// Whoever meets a shared token without a word says EBADF, as for every id that is none.
#pragma once

#include "posix-shim/descriptors/descriptor_table.h"

namespace shim {

// A number that shares the pool's token, or -errno. Not in a vfork child. `flags`: O_CLOEXEC counts.
long shared_token_create(unsigned mount, int flags);
// Is the number one of those, as far as we know? (True also where that was so a moment ago.)
bool shared_token_is(int descriptor);
// Notes that the number is one, before its word is stored; or is so no more, before the kernel closes it.
void shared_token_note(int descriptor);
void shared_token_forget(int descriptor);

// Gives the number a token of its own, if it has none. With `to_exec` only one that an exec would leave open. 0 or
// -errno.
long shared_token_replace(int descriptor, bool to_exec = false);
// The same for all numbers.
long shared_token_replace_all(bool to_exec);
// In a fork child: another thread of the parent may have been in the middle of it.
void shared_token_after_fork();

} // namespace shim
