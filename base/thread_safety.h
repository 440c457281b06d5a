// thread_safety: what clang's -Wthread-safety is told of locks. Nothing for other compilers.
//
//     class BASE_CAPABILITY("mutex") Mutex { void lock() BASE_ACQUIRE(); … };
//     int count BASE_GUARDED_BY(mutex);           // an error without `mutex`
//     void add(Table &table) BASE_REQUIRES(table.lock);
//
// tests/sanitizers/thread_safety.sh compiles the libraries so. Standard: clang's "Thread Safety Analysis".
// What it cannot follow is a set of locks that is known only at run time: docs/design.md, "Locks".
#pragma once

#if defined(__clang__)
#define BASE_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define BASE_THREAD_SAFETY(attribute)
#endif

// A type whose objects are locks.
#define BASE_CAPABILITY(name) BASE_THREAD_SAFETY(capability(name))
// A type whose objects hold a lock from construction to destruction.
#define BASE_SCOPED_CAPABILITY BASE_THREAD_SAFETY(scoped_lockable)
// A variable that may be touched only under the lock.
#define BASE_GUARDED_BY(lock) BASE_THREAD_SAFETY(guarded_by(lock))
// A function that is called with the locks held, without them, that takes them, gives them back, or takes one
// when its result is `success`.
#define BASE_REQUIRES(...) BASE_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define BASE_EXCLUDES(...) BASE_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
#define BASE_ACQUIRE(...) BASE_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define BASE_RELEASE(...) BASE_THREAD_SAFETY(release_capability(__VA_ARGS__))
#define BASE_TRY_ACQUIRE(success, ...) BASE_THREAD_SAFETY(try_acquire_capability(success, __VA_ARGS__))
// A function that the analysis cannot follow; a comment at it says why.
#define BASE_NO_THREAD_SAFETY_ANALYSIS BASE_THREAD_SAFETY(no_thread_safety_analysis)
