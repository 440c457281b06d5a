// Each operation opens and closes what it needs: closing changes nothing but for orphans.
#include "tests/crash/vocabulary.h"

#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/growth.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/journal/transaction.h"

#include <atomic>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <thread>
#include <utility>

namespace crash {

using namespace pmemfile;

namespace {

// The path of the directory that below() makes the root.
thread_local std::string chosen_root; // from the pool's root

InodeNumber root_of(const Thread &thread) {
    const InodeNumber root = thread.pool->superblock().root_inode;
    if (chosen_root.empty())
        return root;
    auto found = walk(const_cast<Thread &>(thread), root, chosen_root, 0);
    return found.ok() ? found->inode : root;
}

At at(const Thread &thread, const std::string &path) {
    return {root_of(thread), path, 0};
}

Work with_open(const std::string &path, int flags, const std::function<base::Status(Thread &, OpenFileId)> &work) {
    return [=](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(const OpenFileId id, fs_open(thread, at(thread, path), flags, 0));
        const base::Status done = work(thread, id);
        fs_close(thread, id);
        return done;
    };
}

Work with_inode(const std::string &path, const std::function<base::Status(Thread &, InodeHandle)> &work) {
    return [=](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(WalkResult found, walk(thread, root_of(thread), path, 0));
        return work(thread, found.handle());
    };
}

base::Status status_of(const base::Result<size_t> &done) {
    return done.ok() ? base::Status{} : base::Status{done.error()};
}

std::string sized(const std::string &name, const std::string &path, uint64_t offset, uint64_t size) {
    return name + " " + path + " " + std::to_string(offset) + "+" + std::to_string(size);
}

std::vector<std::string> changes_of(const std::vector<Operation> &operations) {
    std::vector<std::string> all;
    for (const Operation &operation : operations)
        all.insert(all.end(), operation.changes.begin(), operation.changes.end());
    return all;
}

} // namespace

Operation create(const std::string &path, mode_t mode) {
    return {"create " + path, {path}, [=](Thread &thread) -> base::Status {
                BASE_TRY_ASSIGN(const OpenFileId id,
                                fs_open(thread, at(thread, path), O_CREAT | O_EXCL | O_RDWR, mode));
                fs_close(thread, id);
                return {};
            }};
}

Operation create_unnamed(const std::string &directory, size_t size, char fill, const std::string &name) {
    return {"O_TMPFILE " + directory + " " + std::to_string(size) + (name.empty() ? "" : " linked to " + name),
            {name},
            [=](Thread &thread) -> base::Status {
                BASE_TRY_ASSIGN(const OpenFileId id, fs_open(thread, at(thread, directory), O_TMPFILE | O_RDWR, 0640));
                std::string bytes(size, fill);
                struct iovec vector = {bytes.data(), bytes.size()};
                base::Status done = status_of(fs_pwrite(thread, id, {&vector, 1}, 0, UINT64_MAX));
                if (auto file = open_file_get(thread, id); done.ok() && file.ok() && !name.empty())
                    done = fs_link(thread, (*file)->inode.load(), at(thread, name));
                fs_close(thread, id);
                return done;
            }};
}

Operation make_node(const std::string &path, mode_t type) {
    return {"mknod " + path, {path}, [=](Thread &thread) -> base::Status {
                BASE_TRY(fs_mknod(thread, at(thread, path), type | 0600, 0x103));
                return {};
            }};
}

Operation make_directory(const std::string &path) {
    return {"mkdir " + path, {path}, [=](Thread &thread) { return fs_mkdir(thread, at(thread, path), 0755); }};
}

Operation remove_directory(const std::string &path) {
    return {"rmdir " + path, {path}, [=](Thread &thread) { return fs_rmdir(thread, at(thread, path)); }};
}

Operation make_symlink(const std::string &target, const std::string &path) {
    return {"symlink " + path, {path}, [=](Thread &thread) { return fs_symlink(thread, target, at(thread, path)); }};
}

Operation make_link(const std::string &from, const std::string &to) {
    return {"link " + from + " " + to, {to}, with_inode(from, [=](Thread &thread, InodeHandle handle) {
                return fs_link(thread, handle, at(thread, to));
            })};
}

Operation unlink_name(const std::string &path, bool in_steps) {
    return {"unlink " + path, {path}, [=](Thread &thread) { return fs_unlink(thread, at(thread, path)); }, in_steps};
}

Operation rename_name(const std::string &from, const std::string &to, unsigned flags) {
    return {(flags == 0   ? "rename "
             : flags == 2 ? "exchange "
                          : "rename, whiteout, ") +
                from + " " + to,
            {from, to},
            [=](Thread &thread) { return fs_rename(thread, at(thread, from), at(thread, to), flags); }};
}

Operation write_at(const std::string &path, uint64_t offset, size_t size, char fill, bool in_steps) {
    return {
        sized("write", path, offset, size),
        {path},
        with_open(path, O_RDWR,
                  [=](Thread &thread, OpenFileId id) -> base::Status {
                      std::string bytes(size, fill);
                      struct iovec vector = {bytes.data(), bytes.size()};
                      return status_of(fs_pwrite(thread, id, {&vector, 1}, static_cast<int64_t>(offset), UINT64_MAX));
                  }),
        in_steps};
}

Operation write_pieces(const std::string &path, uint64_t offset, const std::vector<size_t> &sizes, char fill) {
    return {"writev " + path, {path}, with_open(path, O_RDWR, [=](Thread &thread, OpenFileId id) -> base::Status {
                std::vector<std::string> pieces;
                std::vector<struct iovec> vectors;
                for (const size_t size : sizes)
                    pieces.emplace_back(size, static_cast<char>(fill + static_cast<char>(pieces.size())));
                for (std::string &piece : pieces)
                    vectors.push_back({piece.data(), piece.size()});
                return status_of(fs_pwrite(thread, id, {vectors.data(), static_cast<unsigned>(vectors.size())},
                                           static_cast<int64_t>(offset), UINT64_MAX));
            })};
}

Operation append(const std::string &path, size_t size, char fill) {
    return {"append " + path + " " + std::to_string(size),
            {path},
            with_open(path, O_WRONLY | O_APPEND, [=](Thread &thread, OpenFileId id) -> base::Status {
                std::string bytes(size, fill);
                struct iovec vector = {bytes.data(), bytes.size()};
                return status_of(fs_write(thread, id, {&vector, 1}, UINT64_MAX));
            })};
}

Operation truncate_to(const std::string &path, int64_t size, bool in_steps) {
    return {"truncate " + path + " " + std::to_string(size),
            {path},
            with_open(path, O_RDWR, [=](Thread &thread, OpenFileId id) { return fs_ftruncate(thread, id, size); }),
            in_steps};
}

Operation open_truncating(const std::string &path) {
    return {"open O_TRUNC " + path, {path}, with_open(path, O_RDWR | O_TRUNC, [](Thread &, OpenFileId) {
                return base::Status{};
            })};
}

Operation allocate(const std::string &path, int mode, int64_t offset, int64_t size) {
    return {sized("fallocate mode " + std::to_string(mode), path, static_cast<uint64_t>(offset),
                  static_cast<uint64_t>(size)),
            {path},
            with_open(path, O_RDWR,
                      [=](Thread &thread, OpenFileId id) { return fs_fallocate(thread, id, mode, offset, size); }),
            true};
}

Operation shift_range(const std::string &path, int mode, int64_t offset, int64_t size) {
    Operation operation = allocate(path, mode, offset, size);
    operation.in_steps = false;
    return operation;
}

Operation copy_range(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset,
                     size_t size) {
    return {"copy " + from + " to " + to,
            {to},
            with_open(from, O_RDWR, [=](Thread &thread, OpenFileId source) -> base::Status {
                BASE_TRY_ASSIGN(const OpenFileId target, fs_open(thread, at(thread, to), O_RDWR, 0));
                int64_t from_at = from_offset, to_at = to_offset;
                const base::Status done =
                    status_of(fs_copy_range(thread, source, &from_at, target, &to_at, size, UINT64_MAX));
                fs_close(thread, target);
                return done;
            })};
}

Operation clone_range(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset,
                      uint64_t size, bool in_steps) {
    return {"clone " + from + " to " + to,
            {to},
            with_open(from, O_RDWR,
                      [=](Thread &thread, OpenFileId source) -> base::Status {
                          BASE_TRY_ASSIGN(const OpenFileId target, fs_open(thread, at(thread, to), O_RDWR, 0));
                          const base::Status done =
                              fs_clone_range(thread, source, static_cast<uint64_t>(from_offset), target,
                                             static_cast<uint64_t>(to_offset), size, UINT64_MAX);
                          fs_close(thread, target);
                          return done;
                      }),
            in_steps,
            false,
            {},
            holds_share_counts};
}

Operation change_mode(const std::string &path, mode_t mode) {
    return {"chmod " + path, {}, with_inode(path, [=](Thread &thread, InodeHandle handle) {
                return fs_chmod(thread, handle, mode);
            })};
}

Operation change_owner(const std::string &path, uid_t uid, gid_t gid) {
    return {"chown " + path, {}, with_inode(path, [=](Thread &thread, InodeHandle handle) {
                return fs_chown(thread, handle, uid, gid);
            })};
}

Operation change_times(const std::string &path, int64_t seconds) {
    return {"utimens " + path, {}, with_inode(path, [=](Thread &thread, InodeHandle handle) {
                const struct timespec times[2] = {{seconds, 2}, {seconds + 1, 4}};
                return fs_utimens(thread, handle, times);
            })};
}

Operation set_xattr(const std::string &path, const std::string &name, size_t size, char fill) {
    return {"setxattr " + path + " " + name + " " + std::to_string(size),
            {},
            with_inode(path, [=](Thread &thread, InodeHandle handle) {
                return fs_setxattr(thread, handle, name, std::string(size, fill).data(), size, 0);
            })};
}

Operation remove_xattr(const std::string &path, const std::string &name) {
    return {"removexattr " + path + " " + name, {}, with_inode(path, [=](Thread &thread, InodeHandle handle) {
                return fs_removexattr(thread, handle, name);
            })};
}

Operation set_acl(const std::string &path, bool is_default, unsigned count) {
    return {std::string(is_default ? "default acl " : "acl ") + path + " " + std::to_string(count),
            {},
            with_inode(path, [=](Thread &thread, InodeHandle handle) {
                std::vector<AclEntry> entries = {{acl_owner, 7, 0}};
                for (uint32_t user = 0; user < count; ++user)
                    entries.push_back({acl_user, 5, 1000 + user});
                entries.insert(entries.end(), {{acl_group_owner, 5, 0}, {acl_mask, 7, 0}, {acl_others, 1, 0}});
                std::string list(reinterpret_cast<const char *>(&acl_version), acl_version_bytes);
                list.append(reinterpret_cast<const char *>(entries.data()), entries.size() * sizeof(AclEntry));
                return fs_setxattr(thread, handle, is_default ? acl_default_name : acl_access_name, list.data(),
                                   list.size(), 0);
            })};
}

Operation grow(uint64_t size_bytes) {
    return {"grow to " + std::to_string(size_bytes >> 20) + " MiB",
            {},
            [=](Thread &thread) { return fs_grow(thread, size_bytes); },
            false,
            false,
            {},
            holds_growth_lock};
}

Operation while_open(const std::string &path, const std::vector<Operation> &operations) {
    std::string name = "while " + path + " is open:";
    for (const Operation &operation : operations)
        name += " " + operation.name + ";";
    // Several calls: each is there or not.
    Operation several = {name, changes_of(operations),
                         with_open(path, O_RDWR,
                                   [=](Thread &thread, OpenFileId) -> base::Status {
                                       for (const Operation &operation : operations)
                                           BASE_TRY(operation.work(thread));
                                       return {};
                                   }),
                         operations.size() > 1};
    several.is_several = operations.size() > 1;
    return several;
}

Operation while_mapped(const std::string &path, const Operation &operation, bool shared) {
    Operation mapped = {"while " + path + " is mapped" + (shared ? ": " : " private: ") + operation.name,
                        operation.changes,
                        with_inode(path, [=](Thread &thread, InodeHandle handle) -> base::Status {
                            const Inode *inode = thread.pool->inode(handle.number);
                            const uint64_t blocks = (inode->size_bytes + block_size_bytes - 1) / block_size_bytes;
                            BASE_TRY_ASSIGN(const uint32_t pin,
                                            fs_map_begin(thread, handle.number, 0, blocks, shared, shared));
                            const base::Status done = operation.work(thread);
                            fs_map_end(thread, pin);
                            return done;
                        })};
    if (shared)
        mapped.torn = path;
    return mapped;
}

Operation write_flipping(const std::string &path, uint64_t offset, size_t size) {
    return {sized("write, flipping,", path, offset, size),
            {path},
            with_open(path, O_RDWR, [=](Thread &thread, OpenFileId id) -> base::Status {
                std::vector<char> bytes(size, 'f');
                std::atomic<bool> is_over = false, has_begun = false;
                std::thread flipper([&] {
                    for (char fill = 'g'; !is_over.load(); fill = fill == 'g' ? 'f' : 'g') {
                        for (char &byte : bytes) // each for itself, as any program could
                            __atomic_store_n(&byte, fill, __ATOMIC_RELAXED);
                        has_begun = true;
                    }
                });
                while (!has_begun)
                    std::this_thread::yield();
                struct iovec vector = {bytes.data(), bytes.size()};
                const base::Status done =
                    status_of(fs_pwrite(thread, id, {&vector, 1}, static_cast<int64_t>(offset), UINT64_MAX));
                is_over = true;
                flipper.join();
                return done;
            })};
}

Operation in_transaction(const std::string &name, const std::vector<Operation> &operations) {
    return {"transaction " + name, changes_of(operations),
            [=](Thread &thread) -> base::Status {
                Transaction transaction;
                BASE_TRY(transaction.begin(thread, orphan_collect));
                for (const Operation &operation : operations) {
                    const base::Status done = operation.work(thread);
                    if (!done.ok()) {
                        transaction.abort(thread);
                        return done;
                    }
                }
                return transaction.commit(thread);
            },
            false, true};
}

Operation below(const std::string &directory, const Operation &operation) {
    Operation moved = operation;
    moved.name = operation.name + " below " + directory;
    for (std::string &path : moved.changes)
        path = path.empty() ? path : directory + "/" + path;
    moved.work = [=](Thread &thread) {
        // It may be made in the middle of another call, which goes on with its own root.
        const std::string outer = std::exchange(chosen_root, directory);
        const base::Status done = operation.work(thread);
        chosen_root = outer;
        return done;
    };
    return moved;
}

} // namespace crash
