// format: every byte of the layout on the media.
//
//   libpmemobj pool file (offsets are bytes from the start of the pool file)
//   ┌────────────┬──────────────┬──────────────── slab 0 ───────────────┬─ slab 1 … ─┐
//   │ pmemobj's  │ root object: │ superblock │ tables │ rings │ groups  │  groups    │
//   │ own header │ ContainerRoot│ (2 MiB-aligned start)                 │            │
//   └────────────┴──────────────┴───────────────────────────────────────┴────────────┘
//
// A *block number* is the number of a 4 KiB page of the pool file, so that a
// block number times 4096 is both the offset in the file (for mmap) and the
// offset from where the pool is mapped. All numbers are little endian.
// docs/format.md tells the same in words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pmemfile {

using PoolOffset = uint64_t;  // bytes from the start of the pool file; 0 is "none"
using BlockNumber = uint64_t; // PoolOffset / block_size_bytes; 0 is "none" (a hole)
using InodeNumber = uint64_t; // PoolOffset of the inode / inode_size_bytes; 0 is "none"
using Lsn = uint64_t;         // log sequence number; 0 is "before all records"

constexpr uint64_t block_size_bytes = 4096;
constexpr uint64_t inode_size_bytes = 256;
constexpr uint64_t inodes_per_block = block_size_bytes / inode_size_bytes;
constexpr uint64_t cache_line_bytes = 64;
constexpr uint32_t format_version = 1;
constexpr unsigned name_max_bytes = 255;
constexpr const char container_layout[] = "pmemfile-1"; // libpmemobj's layout name

// ------------------------------------------------------------------ container

constexpr uint64_t container_magic = 0x31424f464d504350; // "PCPMFOB1"
constexpr unsigned max_slabs = 1024;

// One huge allocation of libpmemobj, of which the block-aligned inside is ours.
struct SlabExtent {
    uint64_t first_block; // aligned to 2 MiB
    uint64_t block_count;
};

// libpmemobj's root object: where our slabs are. Written once by mkfs.
struct ContainerRoot {
    uint64_t magic;
    uint64_t checksum; // XXH3-64 of all that follows
    uint64_t slab_count;
    uint64_t reserved;
    SlabExtent slabs[max_slabs];
};
static_assert(sizeof(ContainerRoot) == 32 + 16 * max_slabs);

// ----------------------------------------------------------------- superblock

constexpr uint64_t superblock_magic = 0x31534c4946454d50; // "PMEFILS1"

// Feature bits: a program that does not know a bit of `compatible` goes on, of
// `read_only_compatible` may only read, of `incompatible` must refuse.
struct Features {
    uint32_t compatible;
    uint32_t read_only_compatible;
    uint32_t incompatible;
    uint32_t reserved;
};

// Bits of `incompatible`.
constexpr uint32_t feature_share_counts = 1;    // groups have share counts: files may share blocks. Set by mkfs
constexpr uint32_t feature_growth = 2;          // the pool can grow: groups from `groups_in_use` on are not there yet
constexpr uint32_t feature_exempt_records = 4;  // a ring may name one record that the watermark passes. Set by mkfs
constexpr uint32_t feature_inode_checksums = 8; // inodes have checksums. Set by mkfs
constexpr uint32_t features_of_mkfs = feature_share_counts | feature_exempt_records | feature_inode_checksums;
constexpr uint32_t known_incompatible_features = features_of_mkfs | feature_growth;

// Bits of `read_only_compatible`: none yet. A pool with one that this program does not know can be read only.
constexpr uint32_t known_read_only_compatible_features = 0;
inline bool may_only_be_read(const Features &features) {
    return (features.read_only_compatible & ~known_read_only_compatible_features) != 0;
}

constexpr unsigned max_other_roots = 3;

// First block of slab 0. The first 512 bytes are written by mkfs and are
// covered by `checksum`; each later line is changed alone.
struct Superblock {
    uint64_t magic;
    uint64_t checksum; // XXH3-64 of bytes 16..511
    uint32_t version;
    uint32_t block_size_log2; // 12
    Features features;
    uint8_t uuid[16];
    char label[64]; // NUL-padded
    int64_t created_ns;
    uint64_t pool_size_bytes;    // size of the pool file; with feature_growth: to which it can grow (it is sparse)
    uint64_t journal_nonce;      // random; seeds the checksum of every record and each directory's hash
    uint64_t group_count;        // allocation groups
    uint64_t group_table_block;  // GroupDescriptor[group_count]
    uint64_t group_table_blocks; // its length
    uint64_t orphan_table_block; // OrphanSlot[orphan_slots]
    uint64_t orphan_slots;
    uint64_t ring_table_block; // RingHeader[ring_count]
    uint64_t ring_count;
    uint64_t ring_first_block; // rings stand one behind the other
    uint64_t ring_size_bytes;  // of each; a power of two
    InodeNumber root_inode;
    InodeNumber other_roots[max_other_roots]; // directory trees that no path leads to (pmemfile_open_root); 0: none
    uint8_t reserved0[264];

    // byte 512: attach state, stored and fenced by the first process to attach.
    uint64_t attach_generation; // one more at each first attach
    uint64_t runtime_nonce;     // of the runtime segment that serves this attach; 0: all have left in order
    // What the last one knew of the pool file, while runtime_nonce is 0 (fs/locate.h).
    uint64_t note_device;
    uint64_t note_inode;
    uint32_t note_medium; // Medium
    uint32_t note_forced; // setting of PMEM_IS_PMEM_FORCE: 0 none, 1 off, 2 on
    uint8_t reserved1[24];

    // byte 576: the journal's watermark: every record with LSN <= watermark is
    // wholly at its home location and is not replayed.
    Lsn watermark;
    uint8_t reserved2[56];

    // byte 640: state flags, see superblock_state_*.
    uint64_t state;
    uint8_t reserved3[56];

    // byte 704, only with feature_growth: groups_in_use_word of how many groups there are. Growing stores it last.
    uint64_t groups_in_use;
    uint8_t reserved4[block_size_bytes - 712];
};
static_assert(sizeof(Superblock) == block_size_bytes);
static_assert(offsetof(Superblock, attach_generation) == 512);
static_assert(offsetof(Superblock, watermark) == 576);
static_assert(offsetof(Superblock, state) == 640);
static_assert(offsetof(Superblock, groups_in_use) == 704);
constexpr size_t superblock_checked_bytes = 512;

// The upper half tells a damaged word: it is the lower half's complement.
constexpr uint64_t groups_in_use_word(uint32_t count) {
    return count | uint64_t{~count} << 32;
}
// How many groups there are to allocate from: the first ones of the table. It only grows, while others work.
inline uint64_t groups_in_use(const Superblock &superblock) {
    if ((superblock.features.incompatible & feature_growth) == 0)
        return superblock.group_count;
    const auto count = static_cast<uint32_t>(__atomic_load_n(&superblock.groups_in_use, __ATOMIC_ACQUIRE));
    return count < superblock.group_count ? count : superblock.group_count;
}

// Calls visit(inode) for each root there is, `/` first.
template <typename Visit> void for_roots(const Superblock &superblock, Visit &&visit) {
    visit(superblock.root_inode);
    for (const InodeNumber root : superblock.other_roots)
        if (root != 0)
            visit(root);
}
inline bool is_root(const Superblock &superblock, InodeNumber inode) {
    bool is = false;
    for_roots(superblock, [&](InodeNumber root) { is = is || root == inode; });
    return is;
}
constexpr uint64_t superblock_state_failed = 1; // a write error was seen, or a repair has begun: read-only until fsck

// ---------------------------------------------------------- allocation groups

constexpr uint64_t max_blocks_per_group = 32768; // 128 MiB: one block of bitmap

// A run of blocks with its own bitmaps at its start:
//   [block bitmap][inode-block bitmap][inode masks ...][share counts ...][blocks to hand out ...]
// Bits are numbered from the group's first block; the metadata blocks' own bits
// are set. Bit b of the block bitmap: the block is in use. Bit b of the
// inode-block bitmap: it holds inodes. Inode mask b (16 bits): which of them
// are in use. Little-endian 64-bit words, bit 0 lowest. Share count b (a byte, only with
// feature_share_counts): how many pointers beside the first one lead to the block.
struct GroupDescriptor {
    uint64_t first_block;
    uint32_t block_count;     // <= max_blocks_per_group, metadata included
    uint32_t metadata_blocks; // group_metadata_blocks(block_count, features)
    uint64_t reserved;
    uint64_t checksum; // XXH3-64 of the bytes before, seeded with the group's index
};
static_assert(sizeof(GroupDescriptor) == 32);

using ShareCount = uint8_t;
constexpr ShareCount max_share_count = 254; // so 255 owners; what would be one more is copied

// Where the share counts begin, in blocks from the group's start.
constexpr uint64_t share_counts_block(uint64_t block_count) {
    return 2 + (block_count * sizeof(uint16_t) + block_size_bytes - 1) / block_size_bytes;
}
constexpr uint64_t group_metadata_blocks(uint64_t block_count, const Features &features) {
    const uint64_t counts = (block_count * sizeof(ShareCount) + block_size_bytes - 1) / block_size_bytes;
    return share_counts_block(block_count) + ((features.incompatible & feature_share_counts) != 0 ? counts : 0);
}
static_assert(group_metadata_blocks(max_blocks_per_group, {}) == 18);
static_assert(group_metadata_blocks(max_blocks_per_group, {0, 0, feature_share_counts, 0}) == 26);

// An inode that has work left over after a crash: it has no name and is (or
// was) open, or the blocks beyond its size are being freed. 0 = free slot.
struct OrphanSlot {
    InodeNumber inode;
};

// -------------------------------------------------------------------- journal

// One line a ring: where the chain of records that may be live begins.
struct RingHeader {
    uint64_t start_position;
    // Only with feature_exempt_records: while the watermark is no higher than `exempt_watermark`, the ring's record
    // `exempt_lsn` counts although it may not be above it: its call was held up (hazard 14). (What changes the same as
    // that record was drawn when its call had ended, so it is above `exempt_watermark`, and is stored after it.)
    Lsn exempt_lsn;
    Lsn exempt_watermark;
    uint8_t reserved[40];
};
static_assert(sizeof(RingHeader) == cache_line_bytes);

// Does recovery apply the ring's record with this LSN?
inline bool is_live(const Superblock &superblock, const RingHeader &ring, Lsn lsn) {
    return lsn > superblock.watermark || (lsn == ring.exempt_lsn && superblock.watermark <= ring.exempt_watermark);
}

constexpr uint32_t max_record_bytes = 16 * 1024; // ring_size_bytes is at least 4 times this

// A record stands at offset `position % ring_size_bytes` of its ring, always
// on a cache line, and may wrap around the ring's end. Positions only grow.
struct RecordHeader {
    uint64_t checksum; // XXH3-64 of the record behind this field, seeded with nonce ^ hash(ring)
    Lsn lsn;
    uint64_t position;
    uint32_t length_bytes; // header and changes, rounded up to 64
    uint32_t change_count;
};
static_assert(sizeof(RecordHeader) == 32);

enum class ChangeKind : uint8_t {
    store = 1,            // `length` bytes follow: copy them to `target` (a pool offset)
    zero = 2,             // zero `length` bytes at `target`
    fill_pointers = 3,    // `length` 64-bit words at `target`: value, value + stride, ...; value and stride follow
    take_blocks = 4,      // set `length` bits of the block bitmap from block `target` on
    free_blocks = 5,      // clear them; earlier changes to these blocks are void
    take_inode_block = 6, // block `target` becomes an inode block (both bitmaps) without inodes
    free_inode_block = 7, // and is given back; earlier changes to it are void
    take_inode = 8,       // set the mask bit of inode `target`
    free_inode = 9,       // clear it
};

// Header of one change; a payload padded to 8 bytes may follow.
struct Change {
    ChangeKind kind;
    uint8_t reserved[3];
    uint32_t length;
    uint64_t target;
};
static_assert(sizeof(Change) == 16);

// Payload of fill_pointers.
struct PointerFill {
    uint64_t first_value;
    uint64_t stride; // 1 for a run of blocks, 0 for the same value again
};
static_assert(sizeof(PointerFill) == 16);

// --------------------------------------------------------------------- inodes

constexpr uint32_t inode_magic = 0x31444e49; // "IND1"
constexpr unsigned inode_slots = 16;         // block pointers inside the inode
constexpr unsigned inline_max_bytes = inode_slots * 8;
constexpr unsigned max_map_height = 5;

// A block pointer: 0 is a hole, else flags and a block number.
constexpr uint64_t pointer_block_mask = (uint64_t{1} << 48) - 1;
constexpr uint64_t pointer_unwritten = uint64_t{1} << 62; // reserved: allocated, reads as zeros
constexpr uint64_t pointer_huge = uint64_t{1} << 63;      // reserved: 2 MiB run in place of a node
constexpr unsigned pointers_per_node = 512;

enum InodeFlags : uint16_t {
    inode_inline = 1,     // content (file or symlink) is in `content.bytes`, no blocks
    inode_truncating = 2, // blocks beyond the size are still to be freed; in the orphan table
    // What there is among its extended attributes, so that others need not look:
    inode_has_acl = 4,         // system.posix_acl_access
    inode_has_default_acl = 8, // system.posix_acl_default
    inode_has_capability = 16, // security.capability
    inode_may_share = 64,      // some of its blocks may have share counts; never without feature_share_counts
    inode_linkable = 32,       // made by O_TMPFILE without O_EXCL: has no name, and may be given one
};
constexpr uint16_t inode_xattr_flags = inode_has_acl | inode_has_default_acl | inode_has_capability;

// Line 0 holds what almost every change touches. The block map is a page table
// (`height` levels of nodes under the 16 slots):
//   height 0: slot i points to data block i
//   height h: slot i covers 512^h blocks, through h levels of nodes
// For a directory the same slots are the top of its hash trie (DirectoryLeaf).
struct Inode {
    uint64_t size_bytes;  // a directory's: its leaves times 4096
    uint64_t block_count; // 4 KiB blocks that hang on it: data, nodes, leaves
    int64_t mtime_ns;     // since the epoch
    int64_t ctime_ns;
    uint32_t mode; // S_IFMT and permission bits
    uint32_t uid;
    uint32_t gid;
    uint32_t link_count;
    uint32_t magic;
    uint32_t generation; // one more each time the inode is used again
    uint16_t flags;
    uint8_t height;
    uint8_t reserved0;
    uint32_t orphan_slot; // index in the orphan table + 1; 0 = in none

    int64_t atime_ns;
    int64_t btime_ns;           // birth
    uint64_t device;            // st_rdev of a device node
    InodeNumber parent;         // directories: `..`; the root is its own parent
    uint64_t name_hash;         // directories: hash of its name in the parent
    uint64_t entry_count;       // directories: live entries, without . and ..
    uint32_t xattr_block_count; // blocks of its extended attributes; not in `block_count`
    uint32_t checksum;          // of all the rest, only with feature_inode_checksums (journal/inode_checksum.h)
    BlockNumber xattr_block;    // XattrHeader of its extended attributes; 0: it has none

    union Content {
        uint64_t slots[inode_slots];
        unsigned char bytes[inline_max_bytes];
    } content;
};
static_assert(sizeof(Inode) == inode_size_bytes);
static_assert(offsetof(Inode, atime_ns) == 64);
static_assert(offsetof(Inode, checksum) == 116);
static_assert(offsetof(Inode, content) == 128);

// A node of the block map or of a directory's trie.
struct MapNode {
    uint64_t pointers[pointers_per_node];
};
static_assert(sizeof(MapNode) == block_size_bytes);

// -------------------------------------------------------- extended attributes

// All extended attributes of an inode, never changed in place: each change writes them to fresh
// blocks. Up to xattr_inline_bytes of entries stand in the header's block,
//   [header 64][entries ...]
// more in blocks of their own, one behind the other:
//   [header 64][block numbers]   [entries ...][... entries] ...
constexpr uint32_t xattr_magic = 0x31415458;    // "XTA1"
constexpr unsigned xattr_max_extra_blocks = 40; // beside the header's
constexpr unsigned xattr_name_max_bytes = 255;  // with "user." and its kin
constexpr unsigned xattr_value_max_bytes = 65536;
constexpr unsigned xattr_list_max_bytes = 65536; // names, each with its NUL

struct XattrHeader {
    uint64_t checksum; // XXH3-64 of the bytes 8.. of the header, the block numbers and the entries
    uint32_t magic;
    uint32_t entry_count;
    InodeNumber inode;   // whose they are,
    uint32_t generation; // at which use of the number
    uint32_t extra_block_count;
    uint64_t size_bytes; // of the entries
    uint8_t reserved[24];
};
static_assert(sizeof(XattrHeader) == cache_line_bytes);
constexpr size_t xattr_inline_bytes = block_size_bytes - sizeof(XattrHeader);

// The name and the value follow, both padded with zeros to 8 bytes in all. ACLs are stored as
// setxattr(2) takes them, but for the permissions that the mode has too: the mode's count.
struct XattrEntry {
    uint32_t value_bytes;
    uint8_t name_bytes; // not 0
    uint8_t reserved[3];
};
static_assert(sizeof(XattrEntry) == 8);

// ---------------------------------------------------------------- directories

// A directory is a trie over the 64-bit hash of the names, most significant
// bits first: the inode's 16 slots take the first 4 bits (all 16 point to one
// leaf in a small directory), each node below takes 9 more. A leaf of depth d
// holds all names that share the first d bits; every pointer whose bits begin
// with them points to it. A full leaf splits: depth + 1, one new leaf.
// No leaf yet: all slots 0.
constexpr uint32_t leaf_magic = 0x3146454c; // "LEF1"
constexpr unsigned trie_root_bits = 4;
constexpr unsigned trie_node_bits = 9;

struct DirectorySlot {
    uint32_t tag;    // low 32 bits of the name's hash
    uint16_t offset; // of the DirectoryEntry in the leaf, bytes; 0 = free slot
    uint8_t length;  // of the name, bytes
    uint8_t type;    // DT_*
};
static_assert(sizeof(DirectorySlot) == 8);

struct DirectoryEntry {
    InodeNumber inode;
    uint64_t hash;
    __extension__ char name[]; // `length` bytes, padded to 8
};
static_assert(sizeof(DirectoryEntry) == 16);

// [header 32][slots up ...→      ←... entries down]
// Each entry's hash begins with the leaf's prefix. Gaps between entries are free.
struct DirectoryLeaf {
    uint32_t magic;
    uint16_t depth;      // bits of the hash shared by all entries
    uint16_t slot_count; // slots in use or once used
    uint64_t prefix;     // these bits, left-aligned, the rest 0
    InodeNumber directory;
    uint64_t reserved;
    __extension__ DirectorySlot slots[]; // entries' heap fills the rest from the end down
};
static_assert(sizeof(DirectoryLeaf) == 32);

} // namespace pmemfile
