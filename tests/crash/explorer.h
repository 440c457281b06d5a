// explorer: makes the calls of a script on a pool in memory and, at each fence of each call,
// looks what a crash would leave: forms images, recovers them, and compares.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "tests/crash/recorder.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace crash {

// Memory of the size of a pool, from mmap.
class PoolMemory {
public:
    explicit PoolMemory(size_t size_bytes);
    ~PoolMemory();
    PoolMemory(const PoolMemory &) = delete;
    PoolMemory &operator=(const PoolMemory &) = delete;
    std::byte *base() const {
        return base_;
    }
    size_t size_bytes() const {
        return size_bytes_;
    }

private:
    std::byte *base_;
    size_t size_bytes_;
};

// Makes a new pool of the memory's size and reads it in; returns where its superblock is. Throws std::runtime_error.
pmemfile::PoolOffset load_new_pool(PoolMemory &memory);

// A pool in memory that is attached, and one thread in it.
class AttachedImage {
public:
    AttachedImage(std::byte *base, size_t size_bytes, pmemfile::PoolOffset superblock, Recorder *recorder);
    ~AttachedImage();
    AttachedImage(const AttachedImage &) = delete;
    AttachedImage &operator=(const AttachedImage &) = delete;
    // Why it could not be attached; empty when it is.
    const std::string &error() const {
        return error_;
    }
    pmemfile::Thread &thread() {
        return *thread_;
    }
    pmemfile::Pool &pool() {
        return *pool_;
    }

private:
    std::unique_ptr<pmemfile::Pool> pool_;
    std::unique_ptr<pmemfile::Thread> thread_;
    bool is_attached_ = false;
    std::string error_;
};

// The tree as text: path, type, mode, owner, links, size, mtime, content's hash or target.
std::string describe_tree(pmemfile::Thread &thread);

struct Effort {
    unsigned all_subsets_up_to = 7; // pending lines; above that samples
    unsigned samples = 60;          // a crash point
    unsigned nested = 8;            // of which so many crash again in their recovery
};

class Explorer {
public:
    Explorer(const Effort &effort, Fault fault, unsigned seed);
    ~Explorer();

    // Makes a call; its crash images must show the tree before or after it. With `in_steps` other states
    // between are allowed, but must be sound. After it has returned all images must show `after`.
    void call(const std::string &name, bool in_steps, const std::function<void(pmemfile::Thread &)> &work);

    const std::vector<std::string> &findings() const {
        return findings_;
    }
    uint64_t image_count() const {
        return image_count_;
    }
    pmemfile::InodeNumber root() const;

private:
    // What a crash image turned out to be.
    struct Outcome {
        std::string where;
        std::string tree;
    };
    using Choice = std::map<uint64_t, Line>; // lines that reached the media

    void explore(const std::string &where);
    void try_image(const std::string &where, const Choice &choice, bool nested);
    // Recovers the image that stands in the scratch memory; undoes what that stored.
    std::string recover(const std::string &where, unsigned crash_at_fence, Choice *second);
    void sync_scratch();
    Line pick(uint64_t line, const PendingLine &pending);
    void report(const std::string &finding);

    Effort effort_;
    std::mt19937 random_;
    std::unique_ptr<PoolMemory> live_;
    std::unique_ptr<PoolMemory> scratch_; // holds what is durable of `live_`, between images
    pmemfile::PoolOffset superblock_ = 0;
    std::unique_ptr<Recorder> recorder_;
    std::unique_ptr<AttachedImage> image_;
    std::vector<Outcome> outcomes_;
    std::vector<std::string> findings_;
    uint64_t image_count_ = 0;
};

} // namespace crash
