// pool_tree: what a tree in a pool looks like, to compare it with another time or another filesystem.
#pragma once

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <string>
#include <vector>

namespace pmemfile {

// Path to "mode links size target [content]".
using Tree = std::map<std::string, std::string>;

inline std::string describe(const struct stat &stat, const std::string &target) {
    char text[128];
    // A directory's size is the filesystem's own affair.
    const long size = S_ISDIR(stat.st_mode) ? 0 : stat.st_size;
    std::snprintf(text, sizeof(text), "%o links %lu size %ld ", stat.st_mode, static_cast<unsigned long>(stat.st_nlink),
                  size);
    return text + target;
}

// Adds everything below `path` ("" is the root); files' bytes too `with_content`. gtest assertions.
inline void pool_tree(Thread &thread, const std::string &path, Tree &tree, bool with_content = false) {
    const InodeNumber root = thread.pool->superblock().root_inode;
    auto id = fs_open(thread, {root, path.empty() ? "/" : path, 0}, O_RDONLY | O_DIRECTORY, 0);
    ASSERT_TRUE(id.ok());
    std::vector<std::string> names;
    for (;;) {
        alignas(8) char buffer[700]; // small: many rounds
        auto length = fs_getdents64(thread, *id, buffer, sizeof(buffer));
        ASSERT_TRUE(length.ok());
        if (*length == 0)
            break;
        for (size_t offset = 0; offset < *length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer + offset);
            if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
                names.push_back(path + "/" + entry->d_name);
            offset += entry->d_reclen;
        }
    }
    fs_close(thread, *id);
    for (const std::string &name : names) {
        auto found = walk(thread, root, name, 0);
        ASSERT_TRUE(found.ok()) << name;
        struct stat stat;
        ASSERT_TRUE(fs_stat(thread, found->handle(), 1, &stat).ok());
        std::string target;
        if (S_ISLNK(stat.st_mode)) {
            char text[path_max_bytes];
            target.assign(text, *fs_readlink(thread, found->handle(), text, sizeof(text)));
        }
        if (with_content && S_ISREG(stat.st_mode)) {
            target.resize(static_cast<size_t>(stat.st_size));
            struct iovec vector = {target.data(), target.size()};
            ASSERT_EQ(*data_read(thread, found->inode, 0, {&vector, 1}), target.size()) << name;
        }
        EXPECT_FALSE(tree.contains(name)) << "told twice: " << name;
        tree[name] = describe(stat, target);
        if (S_ISDIR(stat.st_mode))
            pool_tree(thread, name, tree, with_content);
    }
}

} // namespace pmemfile
