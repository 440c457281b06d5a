// events: what a call has done, told to who watches (notify/mirror.h).
//
// A call that changes names looks at them before (notice_name) and tells after it was successful. All of it is nothing
// but one load while nobody watches the pool. Two processes that change one name at the same instant may be told of in
// the other order; what the mirror has then is mended by the next change of that name.
#pragma once

#include "libpmemfile/fs/namespace_calls.h"
#include "posix-shim/notify/companion.h"
#include "posix-shim/notify/mirror.h"

namespace shim {

enum class Event : uint8_t { access, modify, attributes };

// A name before a call, and what stood there. `is_noticed` false: nobody watches, or there is no such place.
struct NoticedName {
    bool is_noticed = false;
    bool is_directory = false;
    uint32_t link_count = 0;
    pmemfile::InodeNumber parent = 0, inode = 0; // inode 0: there was none
    uint8_t length = 0;
    char bytes[pmemfile::name_max_bytes];

    std::string_view name() const {
        return {bytes, length};
    }
};

// `at.flags`: as the call walks, and walk_create.
NoticedName notice_name(pmemfile::Thread &thread, const pmemfile::At &at);

void tell_created(pmemfile::Thread &thread, const NoticedName &name, bool is_directory);
void tell_removed(pmemfile::Thread &thread, const NoticedName &name);
void tell_linked(pmemfile::Thread &thread, pmemfile::InodeNumber inode, const NoticedName &name);
// Who renames: open files of his process go on to be told of where the file is moved to.
struct Mover {
    ThreadContext &context;
    pmemfile::Thread &thread;
    unsigned mount;
};
void tell_renamed(const Mover &mover, const NoticedName &from, const NoticedName &to, unsigned rename_flags);
// Of what a path led to.
void tell_name(pmemfile::Thread &thread, const NoticedName &name, Event event);

// A description has been made for it. `flags`: as open.
void tell_opened(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, OpenFileId id,
                 const NoticedName &name, int flags);
void tell_open_file_slowly(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, OpenFileId id,
                           Event event);
inline void tell_open_file(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, OpenFileId id,
                           Event event) {
    if (mirror_is_used(thread)) [[unlikely]]
        tell_open_file_slowly(context, thread, mount, id, event);
}
// The same of one that was made without a name: for what another description has open.
void tell_reopened(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, OpenFileId id);
// `inode` is about to be watched: what this process has open of it, or in it, is known, and nothing is told.
void adopt_open_files(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, pmemfile::InodeNumber inode);

} // namespace shim
