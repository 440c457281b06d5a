// budget: how much a run of the explorer does, from the environment.
#pragma once

#include "tests/crash/explorer.h"

#include <chrono>
#include <string>

namespace crash {

// PMEMFILE_CRASH_EFFORT=thorough
bool is_thorough();
Effort effort();
// PMEMFILE_CRASH_SEED=N, else a new one each run; it is printed with the totals.
unsigned drawn_seed();

// Counts the images of a test and prints them at its end; fails the test for each finding.
class Tally {
public:
    explicit Tally(std::string name) : name_(std::move(name)) {}
    ~Tally();
    void add(const Explorer &explorer, const std::string &seed_text);
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }

private:
    std::string name_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    uint64_t images_ = 0, points_ = 0, findings_ = 0;
};

} // namespace crash
