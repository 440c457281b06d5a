// inode_access: the two ways to one inode that a handle means: looking, and changing.
#pragma once

#include "libpmemfile/fs/place.h"
#include "libpmemfile/runtime/stripe.h"

#include <utility>

namespace pmemfile {

// Result of look(inode), a Result or a Status, from a consistent reading without a lock. `look` may be
// called several times and may see garbage in between; it does not fail for good on it. ESTALE, EUCLEAN.
template <typename Look>
auto look_at_inode(Thread &thread, InodeHandle handle, Look look) -> decltype(look(std::declval<const Inode &>())) {
    using Answer = decltype(look(std::declval<const Inode &>()));
    for (ReadSection section(thread, handle.number); section.next();) {
        auto home = handle_inode(*thread.pool, handle);
        const Answer answer = home.ok() ? look(**home) : Answer(home.error());
        if (section.valid())
            return answer;
    }
    return base::error(EUCLEAN);
}

// Locks the inode, lets change(call, copy) check and change the copy, and commits it.
template <typename Change> base::Status change_inode(Thread &thread, InodeHandle handle, Change change) {
    Call call(thread);
    BASE_TRY(call.lock({handle.number}));
    BASE_TRY_ASSIGN(const Inode *home, handle_inode(call.pool(), handle));
    Inode copy = *home;
    BASE_TRY(change(call, copy));
    store_changes(call, handle.number, copy);
    return call.empty() ? base::Status{} : call.commit();
}

} // namespace pmemfile
