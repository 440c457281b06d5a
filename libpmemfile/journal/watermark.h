// watermark: raising the LSN up to which records need no replay, so that the
// rings' space can be used again. See docs/design.md, "the watermark rides".
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Steps that ride on the fences of ordinary commits, so that raising costs no
// fence of its own. Called by commit() around its one fence.
void watermark_before_fence(Thread &thread);
void watermark_after_fence(Thread &thread);
// Raises at once with fences of its own until the watermark has reached
// `target` (a ring is full, a shared mapping begins, the pool is detached).
// Waits for calls under way whose LSN is not above it. EIO when the medium failed.
base::Status watermark_raise(Thread &thread, Lsn target);
// Raises past everything committed so far.
base::Status watermark_raise_all(Thread &thread);

} // namespace pmemfile
