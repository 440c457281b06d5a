// pool_session: a pool attached: for reading its files (ls, cat), and to make it larger (grow).
#pragma once

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/thread.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tools {

// An entry of a directory, as listed.
struct ListedName {
    std::string name;
    pmemfile::InodeNumber inode;
};

// The pool attached in this process, one thread. Detached by the destructor.
class PoolSession {
public:
    PoolSession() = default;
    ~PoolSession();
    PoolSession(const PoolSession &) = delete;
    PoolSession &operator=(const PoolSession &) = delete;

    enum class Access { read, write };
    // Attaches; complains and returns false when that fails. To a copy, where the pool may only be read.
    bool attach(const std::string &path, Access access = Access::read);
    pmemfile::Thread &thread() {
        return *thread_;
    }
    // Errors as stat(2), readlink(2), getdents(2); symlinks in the middle of paths are followed.
    base::Result<pmemfile::InodeNumber> resolve(std::string_view path, bool follow_last);
    base::Result<pmemfile::Attributes> attributes(pmemfile::InodeNumber inode);
    base::Result<std::string> symlink_target(pmemfile::InodeNumber inode);
    // Without . and .., sorted by name.
    base::Status list(pmemfile::InodeNumber directory, std::vector<ListedName> *names);
    // Writes the whole file to stdout.
    base::Status copy_to_stdout(pmemfile::InodeNumber inode);

private:
    pmemfile::Pool pool_;
    pmemfile::Credentials credentials_;
    std::unique_ptr<pmemfile::Thread> thread_;
    bool attached_ = false;
    bool registered_ = false;
};

// "POOL:PATH" → {POOL, PATH}; without a colon the path is "/". A pool whose own
// name holds a colon is found too: the longest prefix that is an existing file wins.
std::pair<std::string, std::string> split_pool_path(const std::string &argument);

} // namespace tools
