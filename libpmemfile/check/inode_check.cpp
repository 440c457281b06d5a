// One inode: its own fields, and for files and symlinks the block map.
//
//   slot 0 … slot 15          height h: h levels of 4 KiB nodes
//     │        │              under each slot; 0 is a hole
//     ▼        ▼
//   [512 pointers] … [512 pointers] → data blocks
//
// Depth is bounded by max_map_height and each block is followed only once, so
// the recursion ends on any input.
#include "libpmemfile/check/pool_checker.h"

#include "libpmemfile/journal/inode_checksum.h"
#include "libpmemfile/journal/recovery.h"

#include <algorithm>
#include <sys/stat.h>

namespace pmemfile {

void PoolChecker::check_inode(InodeNumber number) {
    const Inode &inode = *at<Inode>(number * inode_size_bytes);
    std::string name = "inode " + std::to_string(number);
    ++report_.inodes;
    if (inode.height > max_map_height) {
        incomplete_ = true;
        hides_names_ = hides_names_ || S_ISDIR(inode.mode); // a directory's are found without the height
        problem(name, "its map is " + std::to_string(inode.height) + " levels high");
        return;
    }
    check_xattrs(number, inode);
    switch (inode.mode & S_IFMT) {
    case S_IFDIR:
        ++report_.directories;
        check_directory(number, inode);
        return;
    case S_IFLNK:
        ++report_.symlinks;
        check_file(number, inode);
        return;
    case S_IFREG:
        ++report_.files;
        check_file(number, inode);
        return;
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
        check_file(number, inode);
        if (inode.size_bytes != 0 || inode.block_count != 0)
            problem(name, "is a special file with content");
        return;
    default:
        incomplete_ = true;
        problem(name, "has no file type (mode " + std::to_string(inode.mode) + ")");
    }
}

// The pointer at `place` leads nowhere that can be: it becomes a hole.
void PoolChecker::cut(InodeNumber number, PoolOffset place, unsigned height, uint64_t index, const std::string &why) {
    uint64_t count = uint64_t{1} << 9 * height;
    std::string lost =
        height == 0 ? "block " + std::to_string(index)
                    : "blocks " + std::to_string(index * count) + " to " + std::to_string((index + 1) * count - 1);
    if (repairable("inode " + std::to_string(number), why + "; " + lost + " of the file cut off, read as zeros")) {
        uint64_t hole = 0;
        repair_bytes(place, &hole, sizeof(hole));
    }
}

// Follows the pointer at `place` of the map; returns how many blocks hang on it (it and all below).
uint64_t PoolChecker::visit_map(InodeNumber number, const Inode &inode, PoolOffset place, unsigned height,
                                uint64_t index, uint64_t *last_index) {
    uint64_t pointer = *at<uint64_t>(place);
    if (pointer == 0)
        return 0;
    std::string block = "block " + std::to_string(pointer);
    if (pointer & ~pointer_block_mask) {
        cut(number, place, height, index, "has a block pointer with unknown flags");
        return 0;
    }
    switch (reach(pointer)) {
    case Reached::now:
        break;
    case Reached::outside:
        cut(number, place, height, index, "points to " + block + ", which is not one that files may use");
        return 0;
    case Reached::inodes:
        cut(number, place, height, index, "points to " + block + ", which holds inodes");
        return 0;
    case Reached::shared:
        if (height == 0 && is_shared_rightly(number, inode, pointer)) {
            *last_index = std::max(*last_index, index + 1);
            return 1;
        }
        if (nodes_of_file_.contains(pointer)) {
            cut(number, place, height, index, "has a map that leads back to its own node, " + block);
            return 0;
        }
        // Which of the two it belongs to cannot be told: nothing is done, and no block is freed.
        overlaps_ = true;
        problem("inode " + std::to_string(number), "uses " + block + ", which something else uses too");
        return 0;
    }
    if (height == 0) {
        note_data_block(number, inode, pointer);
        *last_index = std::max(*last_index, index + 1);
        return 1;
    }
    nodes_of_file_.insert(pointer);
    uint64_t blocks = 1;
    for (unsigned i = 0; i < pointers_per_node; ++i)
        blocks += visit_map(number, inode, pointer * block_size_bytes + i * sizeof(uint64_t), height - 1,
                            index * pointers_per_node + i, last_index);
    return blocks;
}

void PoolChecker::check_file(InodeNumber number, const Inode &inode) {
    PoolOffset offset = number * inode_size_bytes;
    std::string name = "inode " + std::to_string(number);
    uint64_t blocks = 0;
    uint64_t last_index = 0; // one behind the last block that is there
    if (inode.flags & inode_inline) {
        if (inode.size_bytes > inline_max_bytes)
            problem(name, "says that " + std::to_string(inode.size_bytes) + " bytes are in the inode");
        if (inode.height != 0)
            problem(name, "has its content in the inode and a map too");
    } else {
        nodes_of_file_.clear();
        for (unsigned i = 0; i < inode_slots; ++i)
            blocks += visit_map(number, inode, offset + offsetof(Inode, content) + i * sizeof(uint64_t), inode.height,
                                i, &last_index);
    }
    // After damage the count of what could be followed means nothing.
    if (!incomplete_ && !overlaps_ && blocks != inode.block_count &&
        repairable(name,
                   "block count is " + std::to_string(inode.block_count) + ", should be " + std::to_string(blocks)))
        repair_bytes(offset + offsetof(Inode, block_count), &blocks, sizeof(blocks));
    if (inode.size_bytes > static_cast<uint64_t>(INT64_MAX))
        problem(name, "its size is no file size");
    if (S_ISLNK(inode.mode) && (inode.size_bytes == 0 || inode.size_bytes > block_size_bytes - 1))
        problem(name, "is a symlink of " + std::to_string(inode.size_bytes) + " bytes");
    else if (S_ISLNK(inode.mode) && (inode.flags & inode_inline) == 0 && last_index == 0)
        problem(name, "is a symlink that has lost its text");
    // Blocks behind the end are allowed (fallocate keeps the size), for regular files.
    uint64_t size_blocks = inode.size_bytes / block_size_bytes + (inode.size_bytes % block_size_bytes != 0);
    if (S_ISLNK(inode.mode) && last_index > size_blocks)
        problem(name, "is a symlink with blocks behind its end");
}

// Which field it is cannot be told, nor what stood there: the user has to know, and the inode is kept as it reads.
void PoolChecker::check_inode_checksums() {
    if (!has_inode_checksums(*superblock_))
        return;
    // Of a pool in use: recovery, or the next raise of the watermark, makes the checksums anew of what these change.
    std::unordered_set<InodeNumber> live;
    journal_live_stores(pool_, &live, [](void *context, PoolOffset target) {
        static_cast<std::unordered_set<InodeNumber> *>(context)->insert(target / inode_size_bytes);
    });
    for (const auto &[number, facts] : facts_) {
        const Inode &inode = *at<Inode>(number * inode_size_bytes);
        const uint32_t right = inode_checksum(*superblock_, number, inode);
        if (inode.checksum == right || live.contains(number))
            continue;
        // Whose fields have been repaired has been told of.
        if (repaired_places_.contains(number) ||
            repairable("inode " + std::to_string(number),
                       "its checksum is wrong: a field of it (size, times, owner, permissions ...) is damaged; it is "
                       "kept as it reads, look whether that can be"))
            repair_bytes(number * inode_size_bytes + offsetof(Inode, checksum), &right, sizeof(right));
    }
}

} // namespace pmemfile
