// mutex: std::mutex as -Wthread-safety knows it (the standard library's is not annotated).
#pragma once

#include "base/thread_safety.h"

#include <mutex>

namespace pmemfile::api {

class BASE_CAPABILITY("mutex") Mutex {
public:
    void lock() BASE_ACQUIRE() {
        mutex_.lock();
    }
    void unlock() BASE_RELEASE() {
        mutex_.unlock();
    }

private:
    std::mutex mutex_;
};

// Holds a Mutex for a scope.
class BASE_SCOPED_CAPABILITY MutexGuard {
public:
    explicit MutexGuard(Mutex &mutex) BASE_ACQUIRE(mutex) : mutex_(mutex) {
        mutex_.lock();
    }
    ~MutexGuard() BASE_RELEASE() {
        mutex_.unlock();
    }
    MutexGuard(const MutexGuard &) = delete;
    MutexGuard &operator=(const MutexGuard &) = delete;

private:
    Mutex &mutex_;
};

} // namespace pmemfile::api
