// worker: the processes that the parent starts (and kills).
#pragma once

#include <string>

namespace kill_test {

// Attaches, looks whether the former life's calls are as they must be, and works with several
// threads until it is killed. `check`: nobody has settled and checked the former life.
[[noreturn]] void run_worker(const std::string &pool_path, unsigned worker, unsigned seed, bool check);

// Is never killed: works beside the workers and notes how long each dead lock held it up. Ends
// with status 0 when the scoreboard says so.
[[noreturn]] void run_survivor(const std::string &pool_path, unsigned seed);

std::string scoreboard_path(const std::string &pool_path);

} // namespace kill_test
