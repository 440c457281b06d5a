// tree: all that an application can see of a pool, as values that can be compared.
#pragma once

#include "libpmemfile/runtime/thread.h"

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

namespace crash {

// One name, with everything its inode tells but the inode's number.
struct Node {
    std::string path; // "" is the root
    uint32_t mode = 0, uid = 0, gid = 0, link_count = 0;
    uint64_t size_bytes = 0, block_count = 0, device = 0;
    int64_t atime_ns = 0, mtime_ns = 0, ctime_ns = 0, btime_ns = 0;
    std::string target; // of a symlink
    std::string xattrs; // names and values' hashes, sorted by name
    // Hash of each 4 KiB of content, 0 for a hole; of a file's inline content too.
    std::vector<uint64_t> blocks;
    std::string trouble;      // what could not be read
    std::bitset<256> letters; // bytes that the content has; of one file, if asked for

    bool operator==(const Node &) const = default;
};

// Sorted by path.
using Tree = std::vector<Node>;

// `letters_of`: the path of a file whose `letters` are wanted. `subtree`: a directory's path; only it and what is below.
Tree read_tree(pmemfile::Thread &thread, const std::string &letters_of = {}, const std::string &subtree = {});
// Does `tree` differ from `other` in nothing but the file at `path`, which is mapped and written to run by run: every
// byte is one that it has in `before` or `after` (not even a torn write leaves others), its size between theirs, its
// times any? Space does not count.
bool is_same_but_torn(const Tree &tree, const Tree &other, const std::string &path, const Tree &before,
                      const Tree &after);
// Of one part of the tree: the nodes below `subtree` and itself, or (`inside` false) all others.
// Without `with_space` the space that they take does not count.
uint64_t hash_tree(const Tree &tree, const std::string &subtree, bool inside, bool with_space);
// That part alone.
Tree part_of(const Tree &tree, const std::string &subtree, bool inside);
// Lines for a person: what differs between two trees.
std::string difference(const Tree &is, const Tree &should_be);

// Paths of regular files in both trees that have another size or content in `after`.
std::vector<std::string> other_content(const Tree &before, const Tree &after);

// Are they the same but for the space that files and directories take? A call may make room in a record of
// its own, before the one that makes it happen (docs/crash-consistency.md).
bool is_same_but_space(const Tree &tree, const Tree &other);

// May a call in steps that leads from `before` to `after` leave `tree`? Every name is one of before
// or after, each block of content the old one, the new one or not there yet, each size between.
bool is_between(const Tree &tree, const Tree &before, const Tree &after);

} // namespace crash
