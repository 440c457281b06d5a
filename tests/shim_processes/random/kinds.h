// kinds: the calls that are made at random, by what they are for.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace random_calls {

struct Kind {
    const char *name;
    std::function<long()> make; // draws the arguments, makes the call; its result, or -1 with errno
    unsigned weight = 1;
};

// Makes a call of one of them, drawn by weight, and tells it behind `front`.
void make_call(const std::string &front, std::span<const Kind> kinds);

std::vector<Kind> opening_kinds();   // what makes, copies and closes descriptors, and locks
std::vector<Kind> data_kinds();      // what moves and maps bytes
std::vector<Kind> attribute_kinds(); // what tells and changes what a file is
std::vector<Kind> name_kinds();      // what makes, changes and lists names

} // namespace random_calls
