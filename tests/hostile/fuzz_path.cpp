// Paths as a hostile program writes them: any bytes, any length, through every call that takes one.
// What a walk returns must be so: an inode that exists, a name without a slash that lies inside the path.
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "tests/crash/explorer.h"
#include "tests/hostile/image.h"
#include "tests/hostile/input.h"

#include <cstdlib>
#include <fcntl.h>

namespace {

using namespace pmemfile;

void expect(bool holds) {
    if (!holds)
        std::abort();
}

// Replaces some bytes so that names and dots are frequent.
std::string path_of(hostile::Input &input) {
    static const char *const parts[] = {"one", "below", "link",  "long-link", "many", "..",     ".",
                                        "/",   "//",    "small", "empty",     "fifo", "looping"};
    std::string path = input.below(2) == 0 ? "/" : "";
    for (uint64_t count = input.below(12); count > 0; --count) {
        switch (input.below(4)) {
        case 0:
            path += input.text(200);
            break;
        case 1:
            path += std::string(input.below(600), 'n');
            break;
        default:
            path += parts[input.below(std::size(parts))];
        }
        path += input.below(4) == 0 ? "" : "/";
    }
    return path;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes) {
    using namespace hostile;
    static const Samples samples = make_samples();
    static Image image(samples.clean, samples.superblock);
    static crash::AttachedImage attached(image.base(), image.size_bytes(), samples.superblock, nullptr);
    Thread &thread = attached.thread();
    const InodeNumber root = thread.pool->superblock().root_inode;
    Input input(bytes, size_bytes);
    const unsigned flags = input.take<uint8_t>() & 127u;
    const auto one = walk(thread, root, "/one/below", 0);
    const InodeNumber start = input.below(2) == 0 ? root : one->inode;
    const std::string target = path_of(input);
    const std::string path = path_of(input);

    // A symlink whose text is hostile, on the way of some of the paths.
    const bool made = fs_symlink(thread, target, {root, "/looping", 0}).ok();
    auto found = walk(thread, start, path, flags);
    if (found.ok()) {
        expect(found->inode == 0 || thread.pool->inode(found->inode) != nullptr);
        expect(found->inode != 0 || (flags & walk_create) != 0);
        expect(found->name.find('/') == found->name.npos && found->name.size() <= name_max_bytes);
    } else if (found.error().number() == path_escapes) {
        expect((flags & walk_may_escape) != 0 && thread.escape_length < path_max_bytes);
    }
    const At at{start, path, flags & (walk_may_escape | walk_follow_last)};
    if (auto id = fs_open(thread, at, input.take<uint8_t>() % 3 | (input.below(2) != 0 ? O_CREAT : 0), 0644); id.ok())
        fs_close(thread, *id);
    static_cast<void>(fs_mkdir(thread, at, 0755));
    static_cast<void>(fs_rename(thread, at, {root, target, 0}, static_cast<unsigned>(input.below(8))));
    static_cast<void>(fs_rename(thread, {root, target, 0}, at, 0));
    if (made)
        static_cast<void>(fs_unlink(thread, {root, "/looping", 0}));
    static unsigned rounds = 0;
    if (++rounds % 64 == 0) { // the same tree again
        attached.~AttachedImage();
        image.reset();
        new (&attached) crash::AttachedImage(image.base(), image.size_bytes(), samples.superblock, nullptr);
    }
    return 0;
}
