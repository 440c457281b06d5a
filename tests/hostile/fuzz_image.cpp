// A fuzzer's bytes are a list of changes to a sound pool: which structure, which one of
// them, which word, and to what. Checksums are made right again, for a hostile pool has them right.
//
//   changes ─► fsck (look) ─► attach, read all, change all, leave ─► fsck (repair) ─► fsck: clean? ─► attach
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/file/xattr_area.h"
#include "libpmemfile/journal/inode_checksum.h"
#include "libpmemfile/journal/record.h"
#include "tests/crash/image.h"
#include "tests/hostile/atlas.h"
#include "tests/hostile/input.h"
#include "tests/hostile/tour.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace hostile {

using namespace pmemfile;

namespace {

class HostileImage {
public:
    HostileImage(const std::vector<std::byte> &bytes, PoolOffset superblock)
        : image_(bytes, superblock), sound_(*reinterpret_cast<const Superblock *>(bytes.data() + superblock)) {
        const Atlas atlas(bytes.data(), superblock);
        for (BlockNumber block = superblock / block_size_bytes; block < bytes.size() / block_size_bytes; ++block) {
            const std::string structure = atlas.structure_of(block);
            if (structure == "inodes")
                for (uint64_t i = 0; i < inodes_per_block; ++i)
                    if (at<Inode>(block * block_size_bytes + i * inode_size_bytes).magic == inode_magic)
                        inodes_.push_back(block * inodes_per_block + i);
            if (!structure.empty() && structure != "rings" && structure != "superblock" && structure != "group table" &&
                !(structure == "orphan table" && !orphans_.empty()))
                pages_.push_back(block);
            if (structure == "orphan table")
                orphans_.push_back(block);
        }
    }

    Image &image() {
        return image_;
    }
    void change(Input &input) {
        switch (input.below(6)) {
        case 0:
            return change_word(input, image_.superblock(), 88);
        case 1:
            return change_word(input, sound_.group_table_block * block_size_bytes,
                               sound_.group_count * sizeof(GroupDescriptor) / 8);
        case 2:
            return change_word(input, inodes_[input.below(inodes_.size())] * inode_size_bytes, inode_size_bytes / 8);
        case 3:
        case 4:
            return change_word(input, pages_[input.below(pages_.size())] * block_size_bytes, block_size_bytes / 8);
        case 5:
            return forge_record(input);
        }
    }
    // As a forger would.
    void seal() {
        Superblock &sb = superblock();
        for (uint64_t i = 0; i < sound_.group_count; ++i) {
            auto &group =
                at<GroupDescriptor>(sound_.group_table_block * block_size_bytes + i * sizeof(GroupDescriptor));
            group.checksum = XXH3_64bits_withSeed(&group, offsetof(GroupDescriptor, checksum), i);
        }
        // Twice: one may stand in the block that another one's checksum is over.
        for (int round = 0; round < 2; ++round)
            for (const InodeNumber inode : inodes_)
                seal_xattrs(at<Inode>(inode * inode_size_bytes));
        for (const InodeNumber inode : inodes_) {
            auto &home = at<Inode>(inode * inode_size_bytes);
            home.checksum = inode_checksum(sound_, inode, home);
        }
        sb.checksum = XXH3_64bits(&sb.version, superblock_checked_bytes - offsetof(Superblock, version));
    }

private:
    template <typename T> T &at(PoolOffset offset) {
        return *reinterpret_cast<T *>(image_.base() + offset);
    }
    Superblock &superblock() {
        return at<Superblock>(image_.superblock());
    }
    void seal_xattrs(const Inode &inode) {
        Pool pool;
        pool.persist = Persist(image_.base(), image_.size_bytes(), Medium::volatile_memory);
        pool.first_group_block = sound_.group_table_block;
        const auto right = XattrArea(pool, inode).checksum();
        if (right.ok())
            at<XattrHeader>(inode.xattr_block * block_size_bytes).checksum = *right;
    }
    uint64_t number(Input &input, uint64_t before) {
        switch (input.below(8)) {
        case 0:
            return pages_[input.below(pages_.size())];
        case 1:
            return inodes_[input.below(inodes_.size())];
        case 2:
            return input.take<uint8_t>();
        case 3:
            return ~uint64_t{0} >> input.below(64);
        case 4:
            return before ^ uint64_t { 1 } << input.below(64);
        case 5:
            return before + static_cast<uint64_t>(int64_t{input.take<int8_t>()});
        case 6:
            return (before & ~uint64_t{0xffff}) | input.take<uint16_t>();
        default:
            return input.take<uint64_t>();
        }
    }
    void change_word(Input &input, PoolOffset first, uint64_t words) {
        // Mostly among the first ones, where headers are.
        const uint64_t word = input.below(4) == 0 ? input.below(words) : input.below(std::min<uint64_t>(words, 24));
        auto &place = at<uint64_t>(first + word * 8);
        place = number(input, place);
    }
    void forge_record(Input &input) {
        const Superblock &sb = sound_;
        const uint64_t ring = input.below(sb.ring_count);
        uint64_t position =
            at<RingHeader>(sb.ring_table_block * block_size_bytes + ring * sizeof(RingHeader)).start_position;
        position -= position % sb.ring_size_bytes; // the ring's first line: a record's changes fit behind it
        at<RingHeader>(sb.ring_table_block * block_size_bytes + ring * sizeof(RingHeader)).start_position = position;
        auto &record = at<RecordHeader>(ring_offset(sb, ring));
        record.lsn = number(input, sb.watermark + 1);
        record.position = position;
        record.change_count = 0;
        size_t length = sizeof(RecordHeader);
        for (uint64_t count = input.below(8); record.change_count < count; ++record.change_count) {
            auto &change = *reinterpret_cast<Change *>(reinterpret_cast<std::byte *>(&record) + length);
            change.kind = static_cast<ChangeKind>(input.below(11));
            change.length = static_cast<uint32_t>(input.below(4) == 0 ? input.take<uint32_t>() : input.below(64));
            change.target = number(input, 0) * (input.below(2) == 0 ? 1 : 8);
            length += sizeof(Change) + std::min<size_t>(change_payload_bytes(change.kind, change.length), 256);
        }
        record.length_bytes = static_cast<uint32_t>((length + 63) / 64 * 64);
        record.checksum = record_checksum(sb, ring, record);
    }

    Image image_;
    Superblock sound_; // as it was
    std::vector<InodeNumber> inodes_;
    std::vector<BlockNumber> pages_;
    std::vector<BlockNumber> orphans_;
};

bool use(Image &image) {
    crash::AttachedImage attached(image.base(), image.size_bytes(), image.superblock(), nullptr);
    if (!attached.error().empty())
        return false;
    tour_change(attached.thread(), tour_read(attached.thread()));
    return true;
}

[[noreturn]] void find_fault(const char *what, const CheckReport &first, const CheckReport &second) {
    std::fprintf(stderr, "%s\n", what);
    for (const CheckReport *report : {&first, &second}) {
        for (const CheckProblem &problem : report->problems)
            std::fprintf(stderr, "  %s: %s%s\n", problem.structure.c_str(), problem.text.c_str(),
                         problem.repaired ? " (repaired)" : "");
        std::fprintf(stderr, "  ---\n");
    }
    std::abort();
}

} // namespace

} // namespace hostile

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes) {
    using namespace hostile;
    static const Samples samples = make_samples();
    static HostileImage images[] = {{samples.clean, samples.superblock}, {samples.crashed, samples.superblock}};
    Input input(bytes, size_bytes);
    HostileImage &hostile = images[input.below(2)];
    Image &image = hostile.image();
    const auto damage = [&] {
        Input again = input;
        image.reset();
        for (unsigned i = 0; i < 12 && !again.empty(); ++i)
            hostile.change(again);
        hostile.seal();
    };
    damage();
    pmemfile::Persist persist(image.base(), image.size_bytes(), pmemfile::Medium::volatile_memory);
    use(image);
    pmemfile::fsck_pool(persist, image.superblock(), false);

    damage();
    const auto first = pmemfile::fsck_pool(persist, image.superblock(), true).check;
    const auto second = pmemfile::fsck_pool(persist, image.superblock(), false).check;
    for (const pmemfile::CheckProblem &problem : first.problems)
        if (!problem.repaired)
            return 0;
    if (!second.problems.empty())
        find_fault("repaired, yet not clean:", first, second);
    if (!use(image))
        find_fault("repaired, yet not attached:", first, second);
    return 0;
}
