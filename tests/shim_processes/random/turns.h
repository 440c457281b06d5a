// turns: some processes that act one at a time, so that what happens among them is the same in each run.
#pragma once

#include <functional>

namespace random_calls {

constexpr unsigned max_players = 4;

class Turns {
public:
    // Makes `players` - 1 more processes, which return from here too. Its numbers are 100 and above.
    explicit Turns(unsigned players);
    // Does `act` if it is player `whose`'s turn, and waits until that one has done it.
    void take(unsigned whose, const std::function<void()> &act);
    // Each player does it, in order.
    void take_all(const std::function<void()> &act);
    unsigned player() const {
        return player_;
    }
    unsigned count() const {
        return count_;
    }
    // The first player waits for the others, who do not come back.
    void end();

private:
    unsigned count_;
    unsigned player_ = 0;
    int pipes_[max_players][2];
};

} // namespace random_calls
