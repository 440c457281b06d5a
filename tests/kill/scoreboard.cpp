#include "tests/kill/scoreboard.h"

#include "tests/kill/session.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace kill_test {
namespace {

std::string distribution(std::vector<int64_t> ns) {
    if (ns.empty())
        return "none";
    std::sort(ns.begin(), ns.end());
    const auto at = [&](double part) {
        return static_cast<double>(ns[static_cast<size_t>(part * static_cast<double>(ns.size() - 1))]) / 1e3;
    };
    const auto late = std::count_if(ns.begin(), ns.end(), [](int64_t one) { return one > 1'000'000; });
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

int64_t now_ns() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::string describe_meetings(const Scoreboard &scoreboard, const std::map<uint32_t, Death> &deaths) {
    const uint32_t count = std::min(scoreboard.meeting_count.load(), max_meetings);
    std::vector<int64_t> settling;
    std::vector<int64_t> since_gone;
    std::vector<int64_t> since_sent;
    for (uint32_t i = 0; i < count; ++i) {
        const Meeting &meeting = scoreboard.meetings[i];
        settling.push_back(meeting.past_ns - meeting.settle_ns);
        const auto death = deaths.find(meeting.pid);
        if (death == deaths.end())
            continue;
        // The call waits for the dead only from when both are there.
        const auto held_up = [&](int64_t from) {
            return std::max(meeting.past_ns - std::max(from, meeting.call_ns), settling.back());
        };
        since_gone.push_back(held_up(death->second.gone_ns));
        since_sent.push_back(held_up(death->second.sent_ns));
    }
    return std::to_string(count) + " dead locks met by the survivor" +
           "\n  past the lock, from finding its holder dead:    " + distribution(settling) +
           "\n  past the lock, from the holder's end or the call: " + distribution(since_gone) +
           "\n  past the lock, from SIGKILL or the call:          " + distribution(since_sent);
}

} // namespace kill_test
