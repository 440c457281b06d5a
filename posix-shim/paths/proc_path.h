// Paths below /proc and /dev: their text, before anybody is asked what they lead to.
#pragma once

#include <cstddef>
#include <string_view>

namespace shim {

bool take_prefix(std::string_view &path, std::string_view prefix);
// Cuts "/proc/self/", "/proc/thread-self/", "/proc/<own pid>/", "/proc/self/task/<own thread>/" ... off; false: `path`
// does not begin so.
bool take_proc_self(std::string_view &path);
// Cuts "/proc/<number>/" off and returns the number; -1: `path` does not begin so.
long take_proc_number(std::string_view &path);
// Cuts a number off that is a whole name, but not what follows; -1: `path` does not begin so.
long take_number(std::string_view &path);
// Of a canonical path: may a relative path lead from there to the links to what a process has, without ".."? So it is
// with "/", "/dev", /proc and what is below it.
bool is_near_proc(std::string_view directory);
// Of a relative path from anywhere else: may it lead to them?
bool climbs_to_links(std::string_view path);
// Of a path without ".": does it name such a link, or what may be one (below /proc, /dev/fd/N, /dev/stdin)?
bool may_name_link(std::string_view path);
// Below /proc and /dev, in place: "//proc/./self//fd/5/" becomes "/proc/self/fd/5/", as the kernel reads it. What
// stands behind the last name stays, for it makes a difference; so does "..". `text` is as for is_clean. Returns the
// length.
size_t tidy_proc_path(char *text, size_t length);

} // namespace shim
