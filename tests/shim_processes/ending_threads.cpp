// ending_threads HOW FILE: a process whose last thread but one ends as it does. The caller looks for what it leaves
// behind.
//   joined    pthread_join returns while the kernel still takes the thread down
//   detached  the thread has said that it is done, and still works for some milliseconds
//   first     the same, and its exit is the first of its calls that we see
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

namespace {

const char *file_name;
bool makes_calls = true;
std::atomic<bool> is_done = false;

int64_t now_ns() {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void *work(void *) {
    if (makes_calls)
        close(open(file_name, O_CREAT | O_WRONLY, 0644));
    is_done.store(true);
    return nullptr;
}

void *work_on(void *) {
    work(nullptr);
    for (const int64_t end = now_ns() + 8'000'000; now_ns() < end;) {
    }
    return nullptr;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    file_name = arguments[2];
    const bool joins = std::strcmp(arguments[1], "joined") == 0;
    makes_calls = std::strcmp(arguments[1], "first") != 0;
    pthread_t thread;
    if (pthread_create(&thread, nullptr, joins ? work : work_on, nullptr) != 0)
        return 1;
    if (joins)
        return pthread_join(thread, nullptr);
    while (!is_done.load()) {
    }
    _exit(close(open(file_name, O_CREAT | O_WRONLY, 0644)));
}
