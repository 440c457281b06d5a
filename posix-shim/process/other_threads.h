// other_threads: is the caller the only thread of its process?
#pragma once

namespace shim {

// pthread_join returns, and what a language calls join returns earlier, while the kernel (or libc) still works at the
// thread's end. Such a one is waited for, and one that runs is given a moment, `tries_running` times half a
// millisecond: it may be on its way. One that sleeps is another thread at once.
bool is_only_thread(unsigned tries_running);

} // namespace shim
