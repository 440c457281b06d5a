// Directories of many names, files without a name, several threads in one directory.
#include "block_hog.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/names/directory.h"
#include "libpmemfile/runtime/stripe.h"
#include "pool_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <set>
#include <sys/stat.h>
#include <thread>

namespace pmemfile {
namespace {

class NamesTest : public PoolFixture {
protected:
    OpenFileId open(std::string_view path, int flags) {
        auto id = fs_open(thread(), at(path), flags, 0644);
        EXPECT_TRUE(id.ok()) << path << ": " << (id.ok() ? 0 : id.error().number());
        return id.ok() ? *id : 0;
    }
    void create(std::string_view path) {
        fs_close(thread(), open(path, O_CREAT | O_EXCL | O_WRONLY));
    }
    std::multiset<std::string> list(std::string_view path) {
        std::multiset<std::string> names;
        const OpenFileId id = open(path, O_RDONLY | O_DIRECTORY);
        for (;;) {
            alignas(8) char buffer[4096];
            auto length = fs_getdents64(thread(), id, buffer, sizeof(buffer));
            EXPECT_TRUE(length.ok());
            if (!length.ok() || *length == 0)
                break;
            for (size_t offset = 0; offset < *length;) {
                const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer + offset);
                names.insert(entry->d_name);
                offset += entry->d_reclen;
            }
        }
        fs_close(thread(), id);
        return names;
    }
    template <typename T> static base::Status failure(const base::Result<T> &result) {
        return result.ok() ? base::Status() : base::Status(result.error());
    }
    uint64_t free_blocks() {
        struct statfs statfs;
        fs_statfs(thread(), &statfs);
        return statfs.f_bfree;
    }
};

TEST_F(NamesTest, a_directory_of_twenty_thousand_names) {
    constexpr unsigned count = 20000;
    ASSERT_TRUE(fs_mkdir(thread(), at("big"), 0755).ok());
    std::multiset<std::string> expected = {".", ".."};
    for (unsigned i = 0; i < count; ++i) {
        const std::string name = "name " + std::to_string(i) + std::string(i % 60, 'x');
        create("big/" + name);
        expected.insert(name);
    }
    EXPECT_EQ(list("big"), expected);
    detach();
    attach();
    EXPECT_EQ(list("big"), expected);
    unsigned i = 0;
    for (auto name = expected.begin(); name != expected.end();) {
        if (name->front() != '.' && i++ % 3 != 0) {
            ASSERT_TRUE(fs_unlink(thread(), at("big/" + *name)).ok()) << *name;
            name = expected.erase(name);
        } else {
            ++name;
        }
    }
    EXPECT_EQ(list("big"), expected);
    EXPECT_EQ(fs_rmdir(thread(), at("big")).error().number(), ENOTEMPTY);
    for (const std::string &name : expected)
        if (name.front() != '.') {
            ASSERT_TRUE(fs_unlink(thread(), at("big/" + name)).ok()) << name;
        }
    EXPECT_TRUE(fs_rmdir(thread(), at("big")).ok());
}

TEST_F(NamesTest, a_file_without_a_name_lives_until_its_last_close) {
    create("first"); // so that the directory and the inode block are there
    const uint64_t before = free_blocks();
    const OpenFileId id = open("gone", O_CREAT | O_RDWR);
    std::string text(300000, 'q');
    struct iovec vector = {text.data(), text.size()};
    auto written = fs_write(thread(), id, {&vector, 1}, UINT64_MAX);
    ASSERT_TRUE(written.ok());
    EXPECT_EQ(*written, text.size());
    EXPECT_TRUE(fs_unlink(thread(), at("gone")).ok());
    EXPECT_FALSE(walk(thread(), root_, "gone", 0).ok());
    std::string back(text.size(), 0);
    struct iovec back_vector = {back.data(), back.size()};
    auto read = fs_pread(thread(), id, {&back_vector, 1}, 0);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(back, text);
    EXPECT_LT(free_blocks(), before);
    fs_close(thread(), id);
    EXPECT_EQ(free_blocks(), before);
}

TEST_F(NamesTest, a_file_left_without_a_name_is_freed_by_the_next_attach) {
    create("first");
    const uint64_t before = free_blocks();
    open("gone", O_CREAT | O_RDWR);
    EXPECT_TRUE(fs_unlink(thread(), at("gone")).ok());
    detach(); // with the file still open
    attach();
    EXPECT_EQ(free_blocks(), before);
}

TEST_F(NamesTest, a_removed_directory_takes_no_names) {
    ASSERT_TRUE(fs_mkdir(thread(), at("dir"), 0755).ok());
    const OpenFileId id = open("dir", O_RDONLY | O_DIRECTORY);
    const InodeNumber directory = (*open_file_get(thread(), id))->inode.load();
    ASSERT_TRUE(fs_rmdir(thread(), at("dir")).ok());
    EXPECT_EQ(fs_mkdir(thread(), {directory, "sub", 0}, 0755).error().number(), ENOENT);
    EXPECT_EQ(fs_open(thread(), {directory, "file", 0}, O_CREAT | O_RDWR, 0644).error().number(), ENOENT);
    alignas(8) char buffer[1024];
    EXPECT_EQ(fs_getdents64(thread(), id, buffer, sizeof(buffer)).error().number(), ENOENT);
    fs_close(thread(), id);
}

TEST_F(NamesTest, threads_create_rename_and_remove_in_one_directory) {
    constexpr unsigned threads = 4;
    constexpr unsigned rounds = 1500;
    ASSERT_TRUE(fs_mkdir(thread(), at("shared"), 0755).ok());
    ASSERT_TRUE(fs_mkdir(thread(), at("other"), 0755).ok());
    std::vector<std::thread> workers;
    for (unsigned worker = 0; worker < threads; ++worker)
        workers.emplace_back([&, worker] {
            PoolThread own(pool_, nullptr);
            for (unsigned i = 0; i < rounds; ++i) {
                const std::string from = "shared/w" + std::to_string(worker) + "-" + std::to_string(i);
                const std::string to = "other/w" + std::to_string(worker) + "-" + std::to_string(i);
                auto id = fs_open(*own, at(from), O_CREAT | O_EXCL | O_RDWR, 0644);
                ASSERT_TRUE(id.ok());
                fs_close(*own, *id);
                ASSERT_TRUE(fs_rename(*own, at(from), at(to), 0).ok());
                if (i % 2 == 0) {
                    ASSERT_TRUE(fs_unlink(*own, at(to)).ok());
                }
                // All meet on these.
                static_cast<void>(fs_mkdir(*own, at("shared/meet"), 0755));
                static_cast<void>(fs_rename(*own, at("shared/meet"), at("other/meet"), 0));
                static_cast<void>(fs_rmdir(*own, at("other/meet")));
            }
        });
    for (std::thread &worker : workers)
        worker.join();
    static_cast<void>(fs_rmdir(thread(), at("shared/meet")));
    static_cast<void>(fs_rmdir(thread(), at("other/meet")));
    EXPECT_EQ(list("shared").size(), 2u);
    EXPECT_EQ(list("other").size(), 2u + threads * rounds / 2);
}

// Two threads move directories below each other: one of them must be refused, or a circle is cut off.
TEST_F(NamesTest, directories_are_never_moved_below_themselves) {
    for (const char *name : {"a", "b", "a/x", "b/y"})
        ASSERT_TRUE(fs_mkdir(thread(), at(name), 0755).ok());
    auto mover = [&](const char *from, const char *to) {
        PoolThread own(pool_, nullptr);
        for (unsigned i = 0; i < 2000; ++i) {
            static_cast<void>(fs_rename(*own, at(from), at(to), 0));
            static_cast<void>(fs_rename(*own, at(to), at(from), 0));
        }
    };
    std::thread one(mover, "a", "b/y/a");
    std::thread two(mover, "b", "a/x/b");
    one.join();
    two.join();
    // The checker sees what hangs on no name.
}

TEST_F(NamesTest, no_wait_does_not_wait_for_who_holds_the_file) {
    const OpenFileId id = open("file", O_CREAT | O_RDWR);
    char byte = 'x';
    const struct iovec vector = {&byte, 1};
    const UserBuffers buffers{&vector, 1};
    ASSERT_TRUE(fs_pwrite(thread(), id, buffers, 0, UINT64_MAX, io_no_wait).ok());
    {
        PoolThread other(pool_, nullptr);
        Call call(*other);
        ASSERT_TRUE(call.lock({(*open_file_get(thread(), id))->inode.load()}).ok());
        EXPECT_EQ(fs_pwrite(thread(), id, buffers, 0, UINT64_MAX, io_no_wait).error().number(), EAGAIN);
        EXPECT_EQ(fs_write(thread(), id, buffers, UINT64_MAX, io_no_wait).error().number(), EAGAIN);
        EXPECT_EQ(fs_pread(thread(), id, buffers, 0, io_no_wait).error().number(), EAGAIN);
        EXPECT_EQ(fs_read(thread(), id, buffers, io_no_wait).error().number(), EAGAIN);
    }
    EXPECT_TRUE(fs_pread(thread(), id, buffers, 0, io_no_wait).ok());
    fs_close(thread(), id);
}

// A leaf of names that all fall on one side is split before the name is made, in records of its own. What the call has
// claimed by then must not be in them.
TEST_F(NamesTest, a_create_without_room_leaves_no_inode_behind) {
    std::vector<std::string> names;
    for (unsigned i = 0; names.size() < 15; ++i) {
        std::string name = std::to_string(i);
        name.append(name_max_bytes - name.size(), 'n');
        if (name_hash(pool_, name) >> 60 == 0) // four bits alike
            names.push_back(name);
    }
    const std::string last = names.back();
    names.pop_back();
    for (const std::string &name : names)
        create(name);
    BlockHog hog(pool_);
    hog.leave_blocks(thread(), 2);
    EXPECT_EQ(fs_open(thread(), at(last), O_CREAT | O_RDWR, 0644).error().number(), ENOSPC);
    // The checker, at the end, finds an inode that is taken and is none.
}

// A thread waits for the shared offset, another one closes the description for good (or puts another file under its
// number, dup2), and its place in the table is the next one's.
TEST_F(NamesTest, a_call_that_waited_does_not_go_to_another_file) {
    char text[] = "meant for the first";
    const struct iovec vector = {text, sizeof(text)};
    const UserBuffers buffers{&vector, 1};
    const std::function<base::Status(Thread &, OpenFileId)> calls[] = {
        [&](Thread &own, OpenFileId id) { return failure(fs_write(own, id, buffers, UINT64_MAX)); },
        [&](Thread &own, OpenFileId id) { return failure(fs_read(own, id, buffers)); },
        [&](Thread &own, OpenFileId id) { return failure(fs_seek(own, id, 7, SEEK_SET)); }};
    for (const auto &waits : calls) {
        const OpenFileId first = open("first", O_CREAT | O_RDWR);
        RobustLock &offset_lock = (*open_file_get(thread(), first))->offset_lock;
        robust_lock(thread(), offset_lock);
        base::Status waited;
        std::thread waiter([&] {
            PoolThread own(pool_, nullptr);
            waited = waits(*own, first);
        });
        while ((offset_lock.word.load() & sleepers_bit) == 0)
            std::this_thread::yield();
        fs_close(thread(), first);
        const OpenFileId other = open("other", O_CREAT | O_RDWR);
        robust_unlock(thread(), offset_lock);
        waiter.join();
        EXPECT_EQ(waited.ok() ? 0 : waited.error().number(), EBADF);
        EXPECT_EQ(fs_attributes(thread(), (*open_file_get(thread(), other))->inode.load())->size_bytes, 0u);
        EXPECT_EQ(*fs_seek(thread(), other, 0, SEEK_CUR), 0);
        fs_close(thread(), other);
    }
}

// The same where it waits for the file, which ends meanwhile, and its inode's number is the next file's.
TEST_F(NamesTest, a_call_that_waited_does_not_go_to_the_next_use_of_an_inode) {
    char text[] = "meant for the first";
    const struct iovec vector = {text, sizeof(text)};
    const UserBuffers buffers{&vector, 1};
    const OpenFileId source = open("source", O_CREAT | O_RDWR);
    ASSERT_TRUE(fs_pwrite(thread(), source, buffers, 0, UINT64_MAX).ok());
    const std::function<base::Status(Thread &, OpenFileId)> calls[] = {
        [&](Thread &own, OpenFileId id) { return failure(fs_pwrite(own, id, buffers, 0, UINT64_MAX)); },
        [&](Thread &own, OpenFileId id) { return fs_ftruncate(own, id, 5000); },
        [&](Thread &own, OpenFileId id) { return fs_fallocate(own, id, 0, 0, 5000); },
        [&](Thread &own, OpenFileId id) {
            int64_t from = 0, to = 0;
            return failure(fs_copy_range(own, source, &from, id, &to, sizeof(text), UINT64_MAX));
        }};
    for (const auto &waits : calls) {
        const OpenFileId first = open("first", O_CREAT | O_RDWR);
        const InodeNumber number = (*open_file_get(thread(), first))->inode.load();
        ASSERT_TRUE(fs_unlink(thread(), at("first")).ok());
        base::Status waited;
        OpenFileId next = 0;
        {
            Call call(thread());
            ASSERT_TRUE(call.lock({number}).ok());
            std::thread waiter([&] {
                PoolThread own(pool_, nullptr);
                waited = waits(*own, first);
            });
            while ((stripe_state(thread(), number).lock.word.load() & sleepers_bit) == 0)
                std::this_thread::yield();
            open_file_unreference(thread(), first);
            ASSERT_TRUE(data_free_inode(call, number).ok());
            next = open("next", O_CREAT | O_EXCL | O_RDWR);
            ASSERT_EQ((*open_file_get(thread(), next))->inode.load(), number);
            call.unlock();
            waiter.join();
        }
        EXPECT_EQ(waited.ok() ? 0 : waited.error().number(), EBADF);
        EXPECT_EQ(fs_attributes(thread(), number)->size_bytes, 0u);
        EXPECT_EQ(fs_attributes(thread(), number)->block_count, 0u);
        fs_close(thread(), next);
        ASSERT_TRUE(fs_unlink(thread(), at("next")).ok());
    }
    fs_close(thread(), source);
}

// Where a freed inode is made anew, its words may be seen in any order: for a moment as one that has no name.
TEST_F(NamesTest, an_inode_without_a_name_is_freed_only_where_the_table_names_it) {
    const InodeNumber number = *fs_mknod(thread(), at("new"), S_IFREG | 0644, 0);
    auto *inode = const_cast<Inode *>(thread().pool->inode(number));
    inode->link_count = 0;
    orphan_collect(thread(), number);
    EXPECT_EQ(inode->magic, inode_magic);
    inode->link_count = 1;
    EXPECT_TRUE(fs_unlink(thread(), at("new")).ok());
}

TEST_F(NamesTest, a_file_without_a_name_goes_with_its_process) {
    const uint64_t free_before = free_blocks();
    auto id = fs_open(thread(), at("/"), O_TMPFILE | O_RDWR, 0600);
    ASSERT_TRUE(id.ok());
    std::string bytes(100'000, 'x');
    const struct iovec vector = {bytes.data(), bytes.size()};
    ASSERT_TRUE(fs_pwrite(thread(), *id, {&vector, 1}, 0, UINT64_MAX).ok());
    EXPECT_LT(free_blocks(), free_before);
    detach(); // with the file open
    attach();
    EXPECT_GE(free_blocks() + 1, free_before); // a block of inodes stays
}

} // namespace
} // namespace pmemfile
