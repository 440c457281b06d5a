// Others wait for the directory's lock, so what they do not see is done before it is taken:
//
//   claim an inode ─► description ─► lock the directory ─► its name, the record ─► unlock
#include "libpmemfile/fs/fresh_file.h"

#include "libpmemfile/fs/place.h"
#include "libpmemfile/space/allocator.h"

#include <utility>

namespace pmemfile {

FreshFile::~FreshFile() {
    end_description();
}

void FreshFile::end_description() {
    if (id_ != 0)
        open_file_unreference(call_.thread(), std::exchange(id_, 0));
}

void FreshFile::give_up() {
    end_description(); // while the inode's number is still ours
    call_.discard();
    number_ = 0;
}

void FreshFile::prepare() {
    const auto number = allocate_inode(call_);
    if (!number.ok())
        return call_.discard();
    number_ = *number;
    static_cast<void>(describe(number_, next_generation(call_.pool(), number_)));
}

base::Result<OpenFileId> FreshFile::commit(InodeNumber number, const Inode &inode) {
    store_new_inode(call_, number, inode);
    if (id_ == 0)
        BASE_TRY(describe(number, inode.generation));
    BASE_TRY(call_.commit());
    return std::exchange(id_, 0);
}

base::Status FreshFile::describe(InodeNumber number, uint32_t generation) {
    BASE_TRY_ASSIGN(id_, open_file_create(call_.thread(), number, generation, flags_));
    return {};
}

} // namespace pmemfile
