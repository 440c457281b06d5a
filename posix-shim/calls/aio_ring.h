// aio_ring: where the kernel leaves the completions of io_submit's requests: a ring in the program's memory, whose
// address is the queue's name.
#pragma once

#include <linux/aio_abi.h>

namespace shim {

// The kernel has completed the request at `user` of `queue` with -EFAULT in our name: the newest such completion gets
// -`error_number`. Who has taken it before (another thread, just now) keeps EFAULT. Any thread.
void aio_ring_fail(long queue, const struct iocb *user, int error_number);

} // namespace shim
