// A pool without room. Every call that may need blocks is made with 0, 1, 2, … blocks left, until it
// succeeds: its n-th allocation fails for each n. It must fail with ENOSPC and leave no trace; what
// gives space back must work with nothing left.
//
// The room is taken by another thread's claims, which are as good as used and end without a trace.
#include "libpmemfile/fs/xattr_calls.h"
#include "tests/engine_names/block_hog.h"
#include "tests/engine_names/pool_fixture.h"
#include "tests/engine_names/pool_tree.h"

#include <fcntl.h>
#include <functional>
#include <linux/falloc.h>

namespace pmemfile {
namespace {

class FullPoolTest : public PoolFixture {
protected:
    void SetUp() override {
        PoolFixture::SetUp();
        hog_ = std::make_unique<BlockHog>(pool_);
        for (const char *directory : {"d", "d/empty", "d/other"})
            ASSERT_TRUE(fs_mkdir(thread(), at(directory), 0755).ok());
        ASSERT_EQ(write("d/inline", 0, 50, 'i'), 0);
        ASSERT_EQ(write("d/record", 0, 3000, 'r'), 0);
        ASSERT_EQ(write("d/blocks", 0, 10000, 'b'), 0);
        ASSERT_EQ(write("d/big", 0, 3 << 20, 'B'), 0);
        ASSERT_EQ(write("d/sparse", 5 << 20, 100, 's'), 0);
        ASSERT_EQ(set_xattr("d/big", 20000), 0);
        ASSERT_EQ(set_xattr("d/empty", 100), 0);
        ASSERT_EQ(write("d/source", 0, 50000, 'c'), 0);
        ASSERT_EQ(write("d/clone", 0, 0, 'c'), 0);
        ASSERT_EQ(clone("d/source", 0, "d/clone", 0), 0);
        ASSERT_EQ(set_xattr("d/clone", 8000), 0);
    }
    int clone(const char *from, uint64_t from_offset, const char *to, uint64_t to_offset) {
        auto source = fs_open(thread(), at(from), O_RDONLY, 0);
        if (!source.ok())
            return source.error().number();
        const int error = with_open(to, [&](OpenFileId id) {
            return fs_clone_range(thread(), *source, from_offset, id, to_offset, 0, UINT64_MAX);
        });
        fs_close(thread(), *source);
        return error;
    }
    int allocate(const char *path, int mode, int64_t offset, int64_t size) {
        return with_open(path, [&](OpenFileId id) { return fs_fallocate(thread(), id, mode, offset, size); });
    }
    int copy(const char *from, const char *to, int64_t to_offset, size_t size) {
        auto source = fs_open(thread(), at(from), O_RDONLY, 0);
        if (!source.ok())
            return source.error().number();
        const int error = with_open(to, [&](OpenFileId id) -> base::Status {
            int64_t in = 0, out = to_offset;
            auto done = fs_copy_range(thread(), *source, &in, id, &out, size, UINT64_MAX);
            return done.ok() ? base::Status() : base::Status(done.error());
        });
        fs_close(thread(), *source);
        return error;
    }
    // O_TMPFILE, a write, and a name.
    int create_unnamed(const char *name, size_t size) {
        auto id = fs_open(thread(), at("d"), O_TMPFILE | O_RDWR, 0644);
        if (!id.ok())
            return id.error().number();
        std::string bytes(size, 'u');
        struct iovec vector = {bytes.data(), bytes.size()};
        auto written = fs_pwrite(thread(), *id, {&vector, 1}, 0, UINT64_MAX);
        int error = written.ok() ? 0 : written.error().number();
        if (error == 0)
            error = number(fs_link(thread(), (*open_file_get(thread(), *id))->inode.load(), at(name)));
        fs_close(thread(), *id);
        return error;
    }

    // 0 or the errno; -1 for a short write, whose bytes must be there and no others.
    int write(const char *path, int64_t offset, size_t size, char fill) {
        auto id = fs_open(thread(), at(path), O_CREAT | O_WRONLY, 0644);
        if (!id.ok())
            return id.error().number();
        const std::string bytes(size, fill);
        struct iovec vector = {const_cast<char *>(bytes.data()), size};
        const InodeNumber inode = (*open_file_get(thread(), *id))->inode.load();
        std::string wanted = content(inode);
        auto done = fs_pwrite(thread(), *id, {&vector, 1}, offset, UINT64_MAX);
        if (done.ok() && *done < size) {
            wanted.resize(std::max(wanted.size(), static_cast<size_t>(offset) + *done));
            wanted.replace(static_cast<size_t>(offset), *done, *done, fill);
            EXPECT_TRUE(content(inode) == wanted) << path << ": short write of " << *done;
        }
        fs_close(thread(), *id);
        return !done.ok() ? done.error().number() : *done == size ? 0 : -1;
    }
    std::string content(InodeNumber inode) {
        std::string bytes(std::min<uint64_t>(pool_.inode(inode)->size_bytes, 16 << 20), 0);
        struct iovec vector = {bytes.data(), bytes.size()};
        EXPECT_TRUE(data_read(thread(), inode, 0, {&vector, 1}).ok());
        return bytes;
    }
    static int number(const base::Status &status) {
        return status.ok() ? 0 : status.error().number();
    }
    int with_open(const char *path, const std::function<base::Status(OpenFileId)> &work) {
        auto id = fs_open(thread(), at(path), O_WRONLY, 0);
        if (!id.ok())
            return id.error().number();
        const base::Status done = work(*id);
        fs_close(thread(), *id);
        return number(done);
    }
    int set_xattr(const char *path, size_t size) {
        const std::string value(size, 'x');
        return number(fs_setxattr(thread(), walk(thread(), root_, path, 0)->handle(), "user.x", value.data(), size, 0));
    }
    Tree tree() {
        Tree all;
        pool_tree(thread(), "", all, true);
        return all;
    }
    // Makes the call with ever more room until it succeeds; says how many times it failed. `in_steps`:
    // what it has done before it failed may keep blocks (levels of a map, copies of shared blocks, a block of inodes).
    unsigned with_ever_more_room(const std::string &name, const std::function<int()> &call, bool in_steps = false) {
        const Tree before = tree();
        for (unsigned room = 0; room < 200; ++room) {
            const uint64_t free_before = space_map_free_blocks(thread());
            hog_->leave_blocks(thread(), room);
            hog_->take_inodes();
            const int error = call();
            hog_->release();
            if (error == 0)
                return room;
            EXPECT_EQ(error, ENOSPC) << name << " with " << room << " blocks";
            EXPECT_EQ(tree(), before) << name << " with " << room << " blocks";
            if (!in_steps) {
                EXPECT_EQ(space_map_free_blocks(thread()), free_before) << name << " with " << room << " blocks";
            }
            if (HasFailure())
                return room;
        }
        ADD_FAILURE() << name << " never succeeds";
        return 0;
    }

    std::unique_ptr<BlockHog> hog_;
};

TEST_F(FullPoolTest, a_call_that_finds_no_room_leaves_no_trace) {
    ASSERT_EQ(write("d/tiny", 0, 50, 't'), 0);
    for (const int64_t block : {1, 3, 5, 7, 9, 11, 13, 15, 17, 30}) // more holes than are noted in place
        ASSERT_EQ(write("d/islands", block * 4096, 4096, 'l'), 0);
    ASSERT_EQ(write("d/zeroed", 0, 10 * 4096, 'z'), 0);
    struct Case {
        const char *name;
        std::function<int()> call;
        unsigned needs; // failures before it, at least: blocks, or fewer for a call in steps
        bool in_steps = false;
    };
    const Case cases[] = {
        {"create", [&] { return write("d/new", 0, 0, 'n'); }, 1},
        {"mkdir", [&] { return number(fs_mkdir(thread(), at("d/dir"), 0755)); }, 1},
        {"mknod",
         [&] {
             auto made = fs_mknod(thread(), at("d/fifo"), S_IFIFO | 0644, 0);
             return made.ok() ? 0 : made.error().number();
         },
         1},
        {"short symlink", [&] { return number(fs_symlink(thread(), "target", at("d/link"))); }, 1},
        {"long symlink", [&] { return number(fs_symlink(thread(), std::string(1000, 't'), at("d/long"))); }, 2},
        {"first write out of the inode", [&] { return write("d/inline", 0, 2000, 'x'); }, 1},
        {"append to a full block", [&] { return write("d/blocks", 10000, 9000, 'x'); }, 2},
        {"overwrite of blocks", [&] { return write("d/blocks", 0, 8192, 'y'); }, 2},
        {"64 KiB into a hole", [&] { return write("d/sparse", 1 << 20, 64 << 10, 'z'); }, 16},
        {"grow out of the inode",
         [&] { return number(fs_truncate(thread(), walk(thread(), root_, "d/new", 0)->handle(), 4096, false)); }, 0},
        {"fallocate",
         [&] {
             return with_open("d/sparse",
                              [&](OpenFileId id) { return fs_fallocate(thread(), id, 0, 2 << 20, 200 << 10); });
         },
         50},
        // The inline content gets a block and the map two levels, all of which must go again.
        {"fallocate far out", [&] { return allocate("d/tiny", FALLOC_FL_KEEP_SIZE, 40 << 20, 100 << 10); }, 28},
        {"fallocate around blocks", [&] { return allocate("d/islands", 0, 0, 36 * 4096); }, 26},
        {"range of zeros", [&] { return allocate("d/zeroed", FALLOC_FL_ZERO_RANGE, 5000, 20 * 4096); }, 11},
        {"materialise",
         [&] { return number(data_materialise(thread(), walk(thread(), root_, "d/sparse", 0)->inode, 800, 20)); }, 20},
        {"small attribute", [&] { return set_xattr("d/blocks", 100); }, 1},
        {"attribute of blocks", [&] { return set_xattr("d/blocks", 30000); }, 9},
        {"smaller again", [&] { return set_xattr("d/blocks", 5000); }, 3},
        {"write into a block of two files", [&] { return write("d/clone", 100, 50, 'q'); }, 1},
        {"cut in a block of two files",
         [&] { return number(fs_truncate(thread(), walk(thread(), root_, "d/clone", 0)->handle(), 46000, false)); }, 1},
        {"hole with an end in a block of two files",
         [&] { return allocate("d/clone", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 9000, 9000); }, 1, true},
        {"clone that needs a map", [&] { return clone("d/source", 0, "d/inline", 4096); }, 1, true},
        {"copy of bytes", [&] { return copy("d/big", "d/record", 100, 30000); }, 7, true},
        {"range put in", [&] { return allocate("d/big", FALLOC_FL_INSERT_RANGE, 4096, 4096); }, 1},
        {"range taken out", [&] { return allocate("d/big", FALLOC_FL_COLLAPSE_RANGE, 4096, 4096); }, 1},
        // Its inode takes a block that stays one of inodes.
        {"file that is named late", [&] { return create_unnamed("d/late", 9000); }, 3, true},
        {"second attribute",
         [&] {
             return number(
                 fs_setxattr(thread(), walk(thread(), root_, "d/clone", 0)->handle(), "trusted.y", "yy", 2, 0));
         },
         1},
        {"one of two attributes removed",
         [&] { return number(fs_removexattr(thread(), walk(thread(), root_, "d/clone", 0)->handle(), "trusted.y")); },
         1},
        {"whiteout", [&] { return number(fs_rename(thread(), at("d/late"), at("d/white"), RENAME_WHITEOUT)); }, 0},
        {"file for a write far out", [&] { return write("d/far", 0, 100, 'f'); }, 0},
        {"write far out", [&] { return write("d/far", 40 << 20, 10, 'f'); }, 2, true},
    };
    for (const Case &one : cases) {
        EXPECT_GE(with_ever_more_room(one.name, one.call, one.in_steps), one.needs) << one.name;
        if (HasFailure())
            return;
    }
}

// Above the atomic size a write may be short; what it says is there (write() looks), and no more.
TEST_F(FullPoolTest, a_large_write_is_short_when_room_runs_out) {
    hog_->leave_blocks(thread(), 40);
    EXPECT_EQ(write("d/big", 3 << 20, 300 << 10, 'w'), -1);
    hog_->release();
    EXPECT_EQ(write("d/big", 0, 300 << 10, 'u'), 0);
}

// Names until leaves split, each with the n-th allocation failing.
TEST_F(FullPoolTest, a_directory_that_cannot_grow_stays_as_it_is) {
    unsigned failures = 0;
    for (int i = 0; i < 60; ++i) {
        const std::string name = "d/other/" + std::string(180, 'a') + std::to_string(i);
        const auto from = walk(thread(), root_, "d/inline", 0);
        failures += with_ever_more_room("link", [&] { return number(fs_link(thread(), from->handle(), at(name))); });
        ASSERT_FALSE(HasFailure()) << i;
        const std::string renamed = "d/empty/" + std::string(180, 'b') + std::to_string(i);
        failures +=
            with_ever_more_room("rename", [&] { return number(fs_rename(thread(), at(name), at(renamed), 0)); });
        ASSERT_FALSE(HasFailure()) << i;
    }
    EXPECT_GT(failures, 4u);
}

TEST_F(FullPoolTest, what_gives_space_back_needs_none) {
    const uint64_t free_before = space_map_free_blocks(thread());
    hog_->leave_blocks(thread(), 0);
    hog_->take_inodes();
    EXPECT_EQ(write("d/none", 0, 10, 'n'), ENOSPC);
    const auto big = walk(thread(), root_, "d/big", 0);
    EXPECT_EQ(number(fs_chmod(thread(), big->handle(), 0600)), 0);
    EXPECT_EQ(number(fs_utimens(thread(), big->handle(), nullptr)), 0);
    const auto empty = walk(thread(), root_, "d/empty", 0);
    EXPECT_EQ(number(fs_removexattr(thread(), empty->handle(), "user.x")), 0) << "the last one";
    EXPECT_EQ(number(fs_rename(thread(), at("d/record"), at("d/blocks"), 0)), 0) << "over another";
    EXPECT_EQ(number(fs_truncate(thread(), big->handle(), (2 << 20) + 5, false)), 0);
    EXPECT_EQ(number(fs_truncate(thread(), big->handle(), 5000, false)), 0);
    EXPECT_EQ(number(fs_truncate(thread(), big->handle(), 0, false)), 0);
    auto id = fs_open(thread(), at("d/sparse"), O_RDWR, 0);
    ASSERT_TRUE(id.ok());
    EXPECT_EQ(number(fs_unlink(thread(), at("d/sparse"))), 0) << "while open";
    fs_close(thread(), *id);
    // Blocks that two files have: what the first gives up, the second keeps; counts go down in records.
    EXPECT_EQ(number(fs_unlink(thread(), at("d/source"))), 0) << "its clone goes on";
    EXPECT_EQ(content(walk(thread(), root_, "d/clone", 0)->inode), std::string(50000, 'c'));
    EXPECT_EQ(number(fs_truncate(thread(), walk(thread(), root_, "d/clone", 0)->handle(), 8192, false)), 0);
    EXPECT_EQ(number(fs_unlink(thread(), at("d/clone"))), 0) << "with attributes";
    for (const char *name : {"d/inline", "d/blocks", "d/big"})
        EXPECT_EQ(number(fs_unlink(thread(), at(name))), 0) << name;
    for (const char *name : {"d/empty", "d/other"})
        EXPECT_EQ(number(fs_rmdir(thread(), at(name))), 0) << name;
    EXPECT_EQ(number(fs_rmdir(thread(), at("d"))), 0);
    EXPECT_GT(space_map_free_blocks(thread()), 700u); // what the files had can be had again
    EXPECT_EQ(write("new", 0, 1 << 20, 'n'), 0);
    hog_->release();
    EXPECT_GT(space_map_free_blocks(thread()), free_before);
}

// No claims: the pool is really filled, with files of all sizes, to the last block and inode.
TEST_F(FullPoolTest, a_pool_can_be_filled_and_emptied_again) {
    uint64_t free_after[2] = {};
    for (uint64_t &free : free_after) {
        unsigned files = 0;
        size_t size = 4 << 20;
        while (size > 0) {
            const std::string name = "f" + std::to_string(files);
            const int error = write(name.c_str(), 0, size, 'f');
            if (error == 0) {
                ++files;
                continue;
            }
            ASSERT_TRUE(error == ENOSPC || error == -1) << error;
            size = error == -1 ? size : size / 4; // a short write has taken the rest
            if (walk(thread(), root_, name, 0).ok())
                ++files;
        }
        EXPECT_EQ(number(fs_mkdir(thread(), at("no"), 0755)) == 0 || space_map_free_blocks(thread()) == 0, true);
        static_cast<void>(fs_rmdir(thread(), at("no")).ok());
        for (unsigned i = 0; i < files; ++i)
            ASSERT_EQ(number(fs_unlink(thread(), at("f" + std::to_string(i)))), 0) << i;
        free = space_map_free_blocks(thread());
    }
    EXPECT_EQ(free_after[0], free_after[1]);
}

} // namespace
} // namespace pmemfile
