// Totals of the whole program are printed last: what a release notes.
#include "tests/crash/budget.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace crash {
namespace {

struct Total {
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
    uint64_t images = 0, points = 0, findings = 0;
    ~Total() {
        if (points == 0)
            return;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::printf("in all: %lu images at %lu crash points, %.0f a minute, %lu findings\n",
                    static_cast<unsigned long>(images), static_cast<unsigned long>(points),
                    static_cast<double>(images) / seconds * 60, static_cast<unsigned long>(findings));
    }
};
Total total;

} // namespace

bool is_thorough() {
    const char *effort = getenv("PMEMFILE_CRASH_EFFORT");
    return effort != nullptr && std::string(effort) == "thorough";
}

Effort effort() {
    return is_thorough() ? Effort{128, 24, 40, 24, 16, false} : Effort{};
}

unsigned drawn_seed() {
    static const unsigned seed = [] {
        const char *text = getenv("PMEMFILE_CRASH_SEED");
        return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : std::random_device()();
    }();
    return seed;
}

void Tally::add(const Explorer &explorer, const std::string &seed_text) {
    images_ += explorer.image_count();
    points_ += explorer.point_count();
    findings_ += explorer.findings().size();
    for (const std::string &finding : explorer.findings())
        ADD_FAILURE() << name_ << ", " << seed_text << ": " << finding;
}

Tally::~Tally() {
    std::printf("%s: %lu images at %lu crash points in %.1f s\n", name_.c_str(), static_cast<unsigned long>(images_),
                static_cast<unsigned long>(points_), seconds());
    total.images += images_;
    total.points += points_;
    total.findings += findings_;
}

} // namespace crash
