#include "tests/kill/scoreboard.h"

#include "tests/kill/session.h"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace kill_test {
namespace {

std::string distribution(std::vector<uint32_t> ns) {
    if (ns.empty())
        return "none";
    std::sort(ns.begin(), ns.end());
    const auto at = [&](double part) {
        return ns[static_cast<size_t>(part * static_cast<double>(ns.size() - 1))] / 1e3;
    };
    const auto late = std::count_if(ns.begin(), ns.end(), [](uint32_t one) { return one > 1'000'000; });
    char text[160];
    std::snprintf(text, sizeof(text), "p50 %.0f, p90 %.0f, p99 %.0f, max %.0f us, %ld over 1 ms", at(0.5), at(0.9),
                  at(0.99), at(1), static_cast<long>(late));
    return text;
}

} // namespace

Scoreboard &map_scoreboard(const std::string &path, bool create) {
    const int file = open(path.c_str(), create ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600);
    if (file < 0 || (create && ftruncate(file, sizeof(Scoreboard)) != 0))
        give_up("no scoreboard " + path);
    void *memory = mmap(nullptr, sizeof(Scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        give_up("cannot map the scoreboard");
    close(file);
    return *static_cast<Scoreboard *>(memory);
}

std::string describe_meetings(const Scoreboard &scoreboard) {
    const uint32_t count = std::min(scoreboard.meeting_count.load(), max_meetings);
    std::vector<uint32_t> settle;
    std::vector<uint32_t> call;
    for (uint32_t i = 0; i < count; ++i) {
        settle.push_back(scoreboard.meetings[i].settle_ns);
        call.push_back(scoreboard.meetings[i].call_ns);
    }
    return std::to_string(count) + " dead locks met by the survivor\n  past the lock: " + distribution(settle) +
           "\n  whole call:    " + distribution(call);
}

} // namespace kill_test
