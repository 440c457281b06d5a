// watermark: raising the LSN up to which records need no replay, so that the
// rings' space can be used again. See docs/design.md, "the watermark rides".
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Steps that ride on the fences of ordinary commits, so that raising costs no
// fence of its own. Called by commit() around its one fence; `ring` is held.
void watermark_before_fence(Thread &thread, uint64_t ring);

// `ring`, which this thread holds, is full: raises at once, with fences of its
// own, until `size_bytes` more fit. Waits for calls under way. No LSN may be
// drawn. EIO when the medium failed.
base::Status watermark_make_room(Thread &thread, uint64_t ring, uint64_t size_bytes);

// Raises past everything committed so far (before a shared mapping, at the
// last detach). EIO when the medium failed.
base::Status watermark_raise_all(Thread &thread);

} // namespace pmemfile
