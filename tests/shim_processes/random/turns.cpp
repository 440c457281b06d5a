// Each player reads a byte of its pipe when another one has had a turn.
#include "tests/shim_processes/random/turns.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace random_calls {

Turns::Turns(unsigned players) : count_(players) {
    for (unsigned i = 0; i < count_; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            _exit(1);
        for (int end = 0; end < 2; end++) {
            pipes_[i][end] = fcntl(ends[end], F_DUPFD_CLOEXEC, 100);
            close(ends[end]);
        }
    }
    for (unsigned i = 1; i < count_ && player_ == 0; i++)
        if (fork() == 0)
            player_ = i;
}

void Turns::take(unsigned whose, const std::function<void()> &act) {
    char byte = 0;
    if (whose != player_) {
        if (read(pipes_[player_][0], &byte, 1) != 1)
            _exit(1);
        return;
    }
    act();
    for (unsigned i = 0; i < count_; i++)
        if (i != player_ && write(pipes_[i][1], &byte, 1) != 1)
            _exit(1);
}

void Turns::take_all(const std::function<void()> &act) {
    for (unsigned i = 0; i < count_; i++)
        take(i, act);
}

void Turns::end() {
    if (player_ != 0)
        _exit(0);
    while (wait(nullptr) > 0)
        ;
}

} // namespace random_calls
