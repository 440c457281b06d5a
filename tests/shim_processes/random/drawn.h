// drawn: the arguments of random calls. Each draws one, and tells it in the line of the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <unistd.h>

namespace random_calls {

constexpr long fchmodat2_number = 452;         // newer than libc
constexpr int first_slot = 20, slot_count = 8; // where open files are
constexpr size_t buffer_bytes = 1 << 20;

extern char buffer[buffer_bytes];
extern std::string base;  // the directory that all happens in
extern std::string other; // one on another filesystem; empty: none
extern std::string line;  // what is told of the call

// Which calls are wanted: RANDOM_CALLS_SEED, 1 if it is not set, and RANDOM_CALLS_COUNT, 20,000.
struct Series {
    uint64_t number;
    long calls;

    // A seed for each call: one difference makes no others.
    uint64_t seed_of(long call) const {
        return number << 32 | static_cast<uint64_t>(call);
    }
};
Series wanted_series();
void seed(uint64_t number);
uint64_t draw(uint64_t below);
template <typename T> T one_of(std::initializer_list<T> values) {
    return values.begin()[draw(values.size())];
}
void tell(const std::string &text);
long told(const char *what, long value);

// A path, told by a name that is the same in each run. (Which of a rename's names is found too long comes after much
// else.)
const char *path(bool may_be_long = true);
int slot();
int descriptor();
int directory();
long bits(std::initializer_list<long> values, unsigned unlikely = 3); // each with a chance of one in `unlikely`
long offset();
long small_offset();
size_t length();
long mode();
void *memory();
// Writes one letter all over the buffer.
void fill();
// Where in a directory one is, and how long it is, is the filesystem's own.
bool is_directory(int file);
uint64_t hash(const void *bytes, size_t size_bytes);

template <typename T> long word(T value) {
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<long>(value);
    else if constexpr (std::is_null_pointer_v<T>)
        return 0;
    else
        return static_cast<long>(value);
}
// The kernel's call, without libc's own ideas.
long call(long number, auto... words) {
    return syscall(number, word(words)...);
}
// A new descriptor goes to a slot, and the result is 0.
long to_slot(long opened);

} // namespace random_calls
