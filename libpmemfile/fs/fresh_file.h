// fresh_file: what a new file has that nobody else sees yet: an inode that the call has claimed, and a description.
#pragma once

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/open_file.h"

namespace pmemfile {

// For one file that `call` makes. One thread, as the call.
class FreshFile {
public:
    // `flags` are the description's.
    FreshFile(Call &call, uint32_t flags) : call_(call), flags_(flags) {}
    ~FreshFile(); // ends the description, unless the call was committed
    FreshFile(const FreshFile &) = delete;
    FreshFile &operator=(const FreshFile &) = delete;

    // Gets both before the call locks anything. What it cannot have is tried again under the lock, where
    // errors come in their order.
    void prepare();
    // Gives both back, and all that the call has changed. Nobody else has seen them.
    void give_up();
    // The inode that prepare() has claimed; 0: none.
    InodeNumber number() const {
        return number_;
    }
    // Commits the call, which makes inode `number` as `inode` says; the description is there before, so that nobody
    // frees it. ENFILE, and as Call::commit().
    base::Result<OpenFileId> commit(InodeNumber number, const Inode &inode);

private:
    void end_description();
    base::Status describe(InodeNumber number, uint32_t generation);

    Call &call_;
    const uint32_t flags_;
    InodeNumber number_ = 0;
    OpenFileId id_ = 0;
};

} // namespace pmemfile
