// vocabulary: the calls that the explorer makes, as values.
#pragma once

#include "tests/crash/explorer.h"

#include <string>
#include <vector>

namespace crash {

// Locks of the whole pool that a call holds over its fences: two that share one never meet.
enum PoolLock : unsigned { holds_rename_lock = 1, holds_share_counts = 2, holds_growth_lock = 4 };

struct Operation {
    std::string name;
    std::vector<std::string> changes; // paths whose content, or what is below them, may be another one after it
    Work work;
    bool in_steps = false;     // documented as done in steps: states between are allowed
    bool keeps_others = false; // from changing anything: nobody else's call comes between its fences
    std::string torn = {};     // a mapped file that a crash may leave with any byte old or new
    unsigned holds = 0;        // PoolLock
    bool is_several = false;   // calls, each of which may have happened
};

// Paths are from the root, without a leading slash.
Operation create(const std::string &path, mode_t mode = 0644);
// O_TMPFILE in `directory`, a write, and a link to `name` if there is one: only that is seen.
Operation create_unnamed(const std::string &directory, size_t size, char fill, const std::string &name);
Operation make_node(const std::string &path, mode_t type);
Operation make_directory(const std::string &path);
Operation remove_directory(const std::string &path);
Operation make_symlink(const std::string &target, const std::string &path);
Operation make_link(const std::string &from, const std::string &to);
Operation unlink_name(const std::string &path, bool in_steps = false);
Operation rename_name(const std::string &from, const std::string &to, unsigned flags = 0);
Operation write_at(const std::string &path, uint64_t offset, size_t size, char fill, bool in_steps = false);
// Of several buffers, by one call.
Operation write_pieces(const std::string &path, uint64_t offset, const std::vector<size_t> &sizes, char fill);
Operation append(const std::string &path, size_t size, char fill);
Operation truncate_to(const std::string &path, int64_t size, bool in_steps = false);
Operation open_truncating(const std::string &path);
Operation allocate(const std::string &path, int mode, int64_t offset, int64_t size);
// COLLAPSE_RANGE, INSERT_RANGE: in one step.
Operation shift_range(const std::string &path, int mode, int64_t offset, int64_t size);
// FICLONERANGE.
Operation clone_range(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset,
                      uint64_t size, bool in_steps = false);
Operation copy_range(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset,
                     size_t size);
Operation change_mode(const std::string &path, mode_t mode);
Operation change_owner(const std::string &path, uid_t uid, gid_t gid);
Operation change_times(const std::string &path, int64_t seconds);
Operation set_xattr(const std::string &path, const std::string &name, size_t size, char fill);
Operation remove_xattr(const std::string &path, const std::string &name);
// An access control list with `count` named users, the one or the other.
Operation set_acl(const std::string &path, bool is_default, unsigned count);
// Makes the pool larger: nothing to see, but everything after it may stand in the new groups.
Operation grow(uint64_t size_bytes);
// Opens the file, makes the calls and closes it: what is unlinked among them is an orphan in between.
Operation while_open(const std::string &path, const std::vector<Operation> &operations);
// One call while the file is mapped shared and writable: its data goes in place. Or mapped private.
Operation while_mapped(const std::string &path, const Operation &operation, bool shared = true);
// A write of a buffer that another thread changes all the time: what is read of it, is read once (hazard 7).
Operation write_flipping(const std::string &path, uint64_t offset, size_t size);
// The calls in one transaction, named `name`.
Operation in_transaction(const std::string &name, const std::vector<Operation> &operations);

// The call with `directory` as its root.
Operation below(const std::string &directory, const Operation &operation);

// A tree for the sequences to work on: /A and /B with files of each kind, /t2 for a second thread.
std::vector<Operation> initial_tree();
// The same /A and /B twice: below /t2 for a second thread with the whole vocabulary.
std::vector<Operation> initial_trees();
// The calls of which sequences are made, on initial_tree().
std::vector<Operation> sequence_vocabulary();
// Calls of the second thread, all in /t2.
std::vector<Operation> second_thread_vocabulary();
// One call after the other, explored.
void explore_all(Explorer &explorer, const std::vector<Operation> &operations);

} // namespace crash
