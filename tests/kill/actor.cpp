// A file of an actor lives through four steps of its own, then waits for its removal:
//
//   step 4f      4f+1     4f+2       …  4(f+8)+3
//   create new-f fill it  rename done-f  unlink done-f
//
// Filled by a write; some by a reflink of the file before; some have their content from the beginning (O_TMPFILE and
// link), and a range is taken out of them.
#include "tests/kill/actor.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/journal/transaction.h"

#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>

namespace kill_test {

using namespace pmemfile;

namespace {

constexpr unsigned kept_files = 8; // each actor's newest
constexpr unsigned steps_per_file = 4;

std::string file_name(unsigned actor, uint64_t file, bool renamed) {
    return actor_directory(actor) + (renamed ? "/done-" : "/new-") + std::to_string(file);
}

// A reflink of the file before it, which stays as it is.
bool is_clone(uint64_t file) {
    return file % 8 == 3;
}

// Made without a name and linked with its content; then a block is taken out of it.
bool is_named_late(uint64_t file) {
    return file % 8 == 6;
}
constexpr size_t taken_out_bytes = block_size_bytes;

// Sizes of all the ways that data goes: inline, in the record, fresh blocks.
size_t file_size(uint64_t file) {
    constexpr size_t sizes[] = {100, 1500, 4096, 20000, 64};
    return is_clone(file) ? file_size(file - 1) : sizes[file % 5];
}

// After so many of the file's own steps.
size_t size_after(uint64_t file, uint64_t steps) {
    if (steps >= 2)
        return file_size(file);
    return is_named_late(file) ? file_size(file) + taken_out_bytes : 0;
}

// Of these, the rename, a change of the mode and an extended attribute are one transaction.
bool is_private(uint64_t file) {
    return file % 4 == 1;
}

std::string attribute_value(uint64_t file) {
    return std::string(file % 3 == 0 ? 20 : file % 3 == 1 ? 3000 : 20000, static_cast<char>('A' + file % 26));
}

char file_fill(uint64_t file) {
    return static_cast<char>('a' + (is_clone(file) ? file - 1 : file) % 26);
}

// "" when the file is as the steps before `step` left it; else what is wrong.
std::string state_error(Session &session, unsigned actor, uint64_t step) {
    const uint64_t files = (step + steps_per_file - 1) / steps_per_file; // begun
    const uint64_t first = files > kept_files + 2 ? files - kept_files - 2 : 0;
    for (uint64_t file = first; file <= files; ++file) {
        const uint64_t done = step > file * steps_per_file ? step - file * steps_per_file : 0; // of its own steps
        const uint64_t removal = (file + kept_files) * steps_per_file + 3;
        const bool has_new = done >= 1 && done < 3;
        const bool has_done = done >= 3 && step <= removal;
        for (bool renamed : {false, true}) {
            const std::string name = file_name(actor, file, renamed);
            auto found = walk(session.thread(), session.pool().superblock().root_inode, name, 0);
            if (found.ok() != (renamed ? has_done : has_new))
                return name + (found.ok() ? " is there" : " is missing");
            if (!found.ok())
                continue;
            auto attributes = fs_attributes(session.thread(), found->inode);
            const mode_t mode = renamed && is_private(file) ? 0600 : 0644;
            if (!attributes.ok() || (attributes->mode & 07777) != mode)
                return name + " has half of a transaction";
            std::string value(xattr_value_max_bytes, 0);
            auto value_bytes = fs_getxattr(session.thread(), found->handle(), "user.kill", value.data(), value.size());
            value.resize(value_bytes.ok() ? *value_bytes : 0);
            if (value != (mode == 0600 ? attribute_value(file) : ""))
                return name + " has another extended attribute";
            const size_t wanted = size_after(file, done);
            std::string bytes(wanted + 1, 0);
            struct iovec vector = {bytes.data(), bytes.size()};
            auto length = data_read(session.thread(), found->inode, 0, {&vector, 1});
            if (!length.ok() || *length != wanted)
                return name + " has another size";
            bytes.resize(wanted);
            if (bytes.find_first_not_of(file_fill(file)) != std::string::npos)
                return name + " has other content";
        }
    }
    return {};
}

// In a transaction, again until nobody has come in between.
void rename_privately(Session &session, uint64_t file, const std::string &from, const std::string &to) {
    for (;;) {
        Transaction transaction;
        if (!transaction.begin(session.thread(), orphan_collect).ok())
            continue;
        base::Status done = fs_rename(session.thread(), session.at(from), session.at(to), 0);
        auto found = walk(session.thread(), session.pool().superblock().root_inode, to, 0);
        if (done.ok())
            done = found.ok() ? fs_chmod(session.thread(), found->handle(), 0600) : base::Status(found.error());
        const std::string value = attribute_value(file);
        if (done.ok())
            done = fs_setxattr(session.thread(), found->handle(), "user.kill", value.data(), value.size(), 0);
        const bool was_overtaken = transaction.refused() == EAGAIN;
        if (done.ok())
            done = transaction.commit(session.thread());
        else
            transaction.abort(session.thread());
        if (done.ok())
            return;
        if (!was_overtaken && done.error().number() != EAGAIN)
            give_up("rename " + to + " in a transaction: " + std::strerror(done.error().number()));
    }
}

// What step 1 does to the file, which is open.
base::Status fill_file(Session &session, unsigned actor, uint64_t file, OpenFileId id) {
    Thread &thread = session.thread();
    if (is_named_late(file))
        return fs_fallocate(thread, id, FALLOC_FL_COLLAPSE_RANGE, 0, taken_out_bytes);
    if (is_clone(file)) {
        const std::string source = file_name(actor, file - 1, true);
        BASE_TRY_ASSIGN(const OpenFileId from, fs_open(thread, session.at(source), O_RDONLY, 0));
        const base::Status cloned = fs_clone_range(thread, from, 0, id, 0, 0, UINT64_MAX);
        fs_close(thread, from);
        return cloned;
    }
    std::string bytes(file_size(file), file_fill(file));
    struct iovec vector = {bytes.data(), bytes.size()};
    BASE_TRY_ASSIGN(const size_t done, fs_pwrite(thread, id, {&vector, 1}, 0, UINT64_MAX));
    return done == bytes.size() ? base::Status() : base::Status(base::error(EIO));
}

base::Status make_named_late(Session &session, unsigned actor, uint64_t file, const std::string &name) {
    Thread &thread = session.thread();
    const std::string directory = actor_directory(actor);
    BASE_TRY_ASSIGN(const OpenFileId id, fs_open(thread, session.at(directory), O_TMPFILE | O_RDWR, 0644));
    std::string bytes(size_after(file, 1), file_fill(file));
    struct iovec vector = {bytes.data(), bytes.size()};
    auto written = fs_pwrite(thread, id, {&vector, 1}, 0, UINT64_MAX);
    auto open_file = open_file_get(thread, id);
    base::Status done = written.ok() && open_file.ok() ? base::Status() : base::Status(base::error(EIO));
    if (done.ok())
        done = fs_link(thread, (*open_file)->inode.load(), session.at(name));
    fs_close(thread, id);
    return done;
}

} // namespace

std::string actor_directory(unsigned actor) {
    return "w" + std::to_string(actor);
}

void make_step(Session &session, unsigned actor, uint64_t step) {
    const uint64_t file = step / steps_per_file;
    const std::string fresh = file_name(actor, file, false);
    switch (step % steps_per_file) {
    case 0: {
        if (is_named_late(file))
            return expect_ok(make_named_late(session, actor, file, fresh), "O_TMPFILE and link " + fresh);
        auto id = fs_open(session.thread(), session.at(fresh), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (!id.ok())
            give_up("create " + fresh + ": " + std::strerror(id.error().number()));
        fs_close(session.thread(), *id);
        break;
    }
    case 1: {
        auto id = fs_open(session.thread(), session.at(fresh), O_WRONLY, 0);
        if (!id.ok())
            give_up("open " + fresh + ": " + std::strerror(id.error().number()));
        expect_ok(fill_file(session, actor, file, *id), "fill " + fresh);
        fs_close(session.thread(), *id);
        break;
    }
    case 2: {
        const std::string done = file_name(actor, file, true);
        if (is_private(file))
            rename_privately(session, file, fresh, done);
        else
            expect_ok(fs_rename(session.thread(), session.at(fresh), session.at(done), 0), "rename " + done);
        break;
    }
    default:
        if (file >= kept_files) {
            const std::string oldest = file_name(actor, file - kept_files, true);
            expect_ok(fs_unlink(session.thread(), session.at(oldest)), "unlink " + oldest);
        }
    }
}

void meet_others(Session &session, std::mt19937 &random) {
    const std::string a = "shared/" + std::to_string(random() % 20);
    const std::string b = "shared/" + std::to_string(random() % 20);
    switch (random() % 8) {
    case 7: { // blocks that two files share, and one of them changed
        auto from = fs_open(session.thread(), session.at(a), O_CREAT | O_RDWR, 0644);
        auto to = fs_open(session.thread(), session.at(b), O_CREAT | O_RDWR, 0644);
        std::string bytes(random() % 2 == 0 ? 20000 : 4096, 'c');
        struct iovec vector = {bytes.data(), bytes.size()};
        if (from.ok() && to.ok()) {
            static_cast<void>(fs_pwrite(session.thread(), *from, {&vector, 1}, 0, UINT64_MAX).ok());
            static_cast<void>(fs_clone_range(session.thread(), *from, 0, *to, 0, 0, UINT64_MAX).ok());
            vector.iov_len = 100;
            static_cast<void>(fs_pwrite(session.thread(), *to, {&vector, 1}, 5000, UINT64_MAX).ok());
            const int mode = random() % 2 == 0 ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE;
            static_cast<void>(fs_fallocate(session.thread(), *to, mode, 4096, 8192).ok());
        }
        for (const auto &id : {from, to})
            if (id.ok())
                fs_close(session.thread(), *id);
        break;
    }
    case 6: { // fresh blocks, an orphan, a second name; one in two is given up
        Transaction transaction;
        if (!transaction.begin(session.thread(), orphan_collect).ok())
            break; // too many
        auto id = fs_open(session.thread(), session.at(a), O_CREAT | O_RDWR, 0644);
        if (id.ok()) {
            std::string bytes(20000, 't');
            struct iovec vector = {bytes.data(), bytes.size()};
            static_cast<void>(fs_pwrite(session.thread(), *id, {&vector, 1}, 0, UINT64_MAX).ok());
            static_cast<void>(fs_rename(session.thread(), session.at(a), session.at(b), 0).ok());
            static_cast<void>(fs_unlink(session.thread(), session.at(b)).ok());
            fs_close(session.thread(), *id);
        }
        if (random() % 2 == 0)
            transaction.abort(session.thread());
        else
            static_cast<void>(transaction.commit(session.thread()).ok()); // others meet here
        break;
    }
    case 0:
        static_cast<void>(fs_mkdir(session.thread(), session.at(a), 0755).ok());
        break;
    case 1:
        static_cast<void>(fs_rename(session.thread(), session.at(a), session.at(b), 0).ok());
        break;
    case 2:
        static_cast<void>(fs_rmdir(session.thread(), session.at(a)).ok());
        break;
    case 3:
        static_cast<void>(fs_unlink(session.thread(), session.at(a)).ok());
        break;
    case 4: { // attributes of all the ways that they go
        constexpr size_t sizes[] = {20, 3000, 20000};
        const std::string value(sizes[random() % 3], 'v');
        auto found = walk(session.thread(), session.pool().superblock().root_inode, a, 0);
        if (found.ok())
            static_cast<void>(fs_setxattr(session.thread(), found->handle(), random() % 2 == 0 ? "user.a" : "user.b",
                                          value.data(), value.size(), 0)
                                  .ok());
        break;
    }
    default: {
        auto id = fs_open(session.thread(), session.at(a), O_CREAT | O_WRONLY | O_TRUNC, 0644);
        if (id.ok()) { // killed with it open, perhaps without a name: an orphan
            static_cast<void>(fs_unlink(session.thread(), session.at(a)).ok());
            fs_close(session.thread(), *id);
        }
    }
    }
}

uint64_t settled_step(Session &session, unsigned actor, uint64_t step) {
    // First before, then after: a call in flight that somebody settles meanwhile goes only this way.
    const std::string before = state_error(session, actor, step);
    if (before.empty())
        return step;
    const std::string after = state_error(session, actor, step + 1);
    if (after.empty())
        return step + 1;
    give_up("actor " + std::to_string(actor) + " was killed in step " + std::to_string(step) + ": " + before +
            "; or: " + after);
}

} // namespace kill_test
