// The idea: one engine, whose numbers depend on nothing but the seed, so that two runs make the same calls.
#include "tests/shim_processes/random/drawn.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>

namespace random_calls {
namespace {

std::mt19937_64 engine;

} // namespace

char buffer[buffer_bytes];
std::string base;
std::string other;
std::string line;

Series wanted_series() {
    const char *number = getenv("RANDOM_CALLS_SEED"), *count = getenv("RANDOM_CALLS_COUNT");
    return {number != nullptr ? strtoull(number, nullptr, 0) : 1, count != nullptr ? atol(count) : 20000};
}
void seed(uint64_t number) {
    engine.seed(number);
}
uint64_t draw(uint64_t below) {
    return engine() % below;
}
void tell(const std::string &text) {
    line += " " + text;
}
long told(const char *what, long value) {
    tell(std::string(what) + "=" + std::to_string(value));
    return value;
}
const char *path(bool may_be_long) {
    static std::string held[2];
    static unsigned turn = 0;
    std::string &to = held[turn++ % 2];
    static const char *const names[] = {
        "f",       "g",    "d",     "d/",      "d/e", "d/f",  "./f",  "d/../f", "s",      "sd",    "sd/",   "sd/e",
        "sd/..",   "dang", "dang/", "loop",    "no",  "no/x", "f/",   "f/x",    "f/..",   "",      ".",     "d/.",
        "d/..",    ".//f", "n0",    "n1",      "n2",  "n3",   "d/n0", "d/n1",   "d/e/n0", "sd/n2", "n0/n1", "n1/n0",
        "n2/../f", "s/..", "s/",    "d/e/../", "n3/", "hole", "hole", "f",      "g"};
    static const char *const other_names[] = {"f",       "d",  "d/f",   "d/n0",  "n0",     "n1",   "back", "back/f",
                                              "back/n0", "no", "f/",    "",      "d/../f", "d/..", "loop", "back/d/..",
                                              "dang",    "s",  "back/", "loop/", "new",    "new/"};
    static const char *const names_by_link[] = {"so",      "so/f",  "so/n0", "so/d", "so/back/f",
                                                "so/back", "so/..", "so/",   "sof",  "so/s"};
    if (!other.empty() && draw(3) == 0) {
        const bool is_link = draw(2) == 0;
        const char *name =
            is_link ? names_by_link[draw(std::size(names_by_link))] : other_names[draw(std::size(other_names))];
        tell(is_link ? name : "other/" + std::string(name));
        to = is_link ? name : other + "/" + name;
        return to.c_str();
    }
    const uint64_t kind = draw(30);
    switch (!may_be_long && (kind == 2 || kind == 3) ? 29 : kind) {
    case 0:
        tell("null");
        return nullptr;
    case 1:
        tell("bad");
        return reinterpret_cast<const char *>(8);
    case 2:
        to = std::string(one_of({255, 256, 300}), 'a');
        break;
    case 3:
        to = "d/..";
        to += std::string(one_of({4090, 4091, 5000}), '/') + "f";
        break;
    case 4: {
        const char *name = names[draw(std::size(names))];
        tell("/" + std::string(name));
        to = base + "/" + name;
        return to.c_str();
    }
    default:
        to = names[draw(std::size(names))];
    }
    tell("'" + (to.size() > 100 ? std::to_string(to.size()) + " bytes" : to) + "'");
    return to.c_str();
}
int slot() {
    return first_slot + static_cast<int>(draw(slot_count));
}
int descriptor() {
    const int number = slot();
    return static_cast<int>(told("fd", draw(24) == 0 ? one_of({-1, 999, INT_MAX, INT_MIN, 19}) : number));
}
int directory() {
    return draw(2) == 0 ? static_cast<int>(told("at", AT_FDCWD)) : descriptor();
}
long bits(std::initializer_list<long> values, unsigned unlikely) {
    long all = 0;
    for (const long value : values)
        if (draw(unlikely) == 0)
            all |= value;
    return told("flags", all);
}
long offset() {
    return told("offset", one_of<long>({0, 1, 100, 4095, 4096, 4097, 10000, 65536, 100000, 1 << 20, -1, -4096, LONG_MIN,
                                        1L << 40, 3L << 20, 12288}));
}
long small_offset() {
    return told("offset", one_of<long>({0, 1, 100, 4095, 4096, 4097, 8192, 10000, 65536, 100000, 12288}));
}
size_t length() {
    return static_cast<size_t>(
        told("length", one_of<long>({0, 1, 7, 128, 129, 512, 4096, 4097, 8192, 10000, 65536, 100000})));
}
bool is_directory(int file) {
    struct stat status;
    return fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
}
void *memory() {
    if (draw(20) == 0) {
        tell("bad-memory");
        return reinterpret_cast<void *>(8);
    }
    return buffer;
}
uint64_t hash(const void *bytes, size_t size_bytes) {
    uint64_t value = 0xcbf29ce484222325;
    for (size_t i = 0; i < size_bytes; i++)
        value = (value ^ static_cast<const unsigned char *>(bytes)[i]) * 0x100000001b3;
    return value;
}
void fill() {
    const auto letter = static_cast<char>('a' + draw(26));
    std::memset(buffer, letter, 1 << 17);
    tell(std::string(1, letter));
}

long to_slot(long opened) {
    if (opened < 0)
        return opened;
    const int number = slot();
    dup3(static_cast<int>(opened), number, draw(2) == 0 ? O_CLOEXEC : 0);
    close(static_cast<int>(opened));
    told("slot", number);
    return 0;
}
long mode() {
    return told("mode", one_of<long>({0644, 0600, 0755, 0, 07777, 0444, 0100644, 01777, 02755}));
}

} // namespace random_calls
