// explorer: makes calls on a pool in memory and, at each fence of each call, looks what a crash
// would leave: forms images, recovers them, and compares.
#pragma once

#include "tests/crash/image.h"
#include "tests/crash/recorder.h"
#include "tests/crash/tree.h"

#include <random>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace crash {

// Images that are formed at one fence. A pending line has as many contents as stores are pending in it, and one.
struct Effort {
    unsigned all_up_to = 64;    // combinations of whole lines' contents: all of them if there are no more
    unsigned single_lines = 12; // otherwise: so many lines each alone lost, and each alone there
    unsigned samples = 16;      // and so many drawn
    unsigned torn = 8;          // in both cases: so many with lines torn into words
    unsigned nested_every = 16; // one of so many images crashes again in its recovery
    bool stop_at_first = false; // no images any more once something was found
    bool only_meetings = false; // in call_both: none before the second thread's call has begun
};

// A call; its result is used only to know that a call which fails changes nothing.
using Work = std::function<base::Status(pmemfile::Thread &)>;

// What a crash may leave of a thread's part while a call of it is under way, beside what was before and after.
enum class Between {
    nothing,
    steps, // documented as done in steps: is_between
};

// What one of two threads does.
struct Part {
    std::vector<Work> calls; // one behind the other; the first thread's is one
    Between between = Between::nothing;
    // At each third fence of the second thread's calls a third thread makes this one, which changes `third_path` alone.
    // That file is looked at by the checker only: its calls are under way while the others' are.
    Work third = nullptr;
    std::string third_path = {};
};

class Explorer {
public:
    Explorer(const Effort &effort, unsigned seed);
    ~Explorer();

    // Makes a call; its crash images must show the tree before or after it. With `in_steps` other states
    // between are allowed (is_between). After it has returned all images must show `after`. Both trees come from
    // the engine under test, so another rule stands beside them: what is not at `changes`, nor below one of
    // these paths, nor another name of such a file, has the content that it had.
    // `torn`: a file that is mapped; a crash may leave any byte of it old or new, until the call has returned.
    void call(const std::string &name, bool in_steps, const Work &work, const std::vector<std::string> &changes,
              const std::string &torn = {});
    // Makes a call without looking at crashes.
    void prepare(const Work &work);
    // The second thread, which works in `subtree` alone, makes `other` at fence number `fence` (from 1) of `one`.
    // False when `one` has fewer fences: `other` is made after it then. The parts are judged each for itself, the second
    // one after each of its calls. With `stores_behind` not at that fence, but so many stores later: in the middle of
    // what `one` stores home.
    bool call_both(const std::string &name, const Part &one, const std::string &subtree, const Part &other,
                   unsigned fence, unsigned stores_behind = 0);

    // How many fences the call has, made now; nothing is looked at.
    unsigned count_fences(const Work &work);

    // The state now is where rewind() goes back to. All is at home and durable.
    void mark();
    void rewind();
    // The machine stops now, with a drawn part of what is pending, and the pool is attached again.
    void crash_and_go_on();
    // The thread ends; its successor has its slot, but completes nothing of what it has flushed.
    void replace_thread(unsigned index);
    // The calls that follow are made by this thread (0, 1 or 2).
    void use_thread(unsigned index);

    const std::vector<std::string> &findings() const {
        return findings_;
    }
    uint64_t image_count() const {
        return image_count_;
    }
    uint64_t point_count() const {
        return point_count_;
    }
    pmemfile::InodeNumber root() const;
    pmemfile::PoolOffset superblock() const {
        return superblock_;
    }
    pmemfile::Thread &thread() {
        return image_->thread(thread_);
    }

private:
    // What lines that reached the media hold.
    using Choice = std::map<uint64_t, Line>;
    // How far the second thread's call was, in call_both.
    enum class Stage { not_begun, under_way, done };
    // Alike are images of which these are: the hash of the first thread's part, of the second's, and how far it was.
    struct Kind {
        uint64_t first = 0, second = 0;
        Stage stage = Stage::not_begun;
        size_t returned = 0; // calls of the second thread
        auto operator<=>(const Kind &) const = default;
    };
    struct Outcome {
        std::string where; // the first image that was so
        Tree tree;
    };

    void attach();
    void explore(const std::string &where);
    void try_image(const std::string &where, const Choice &choice);
    // Recovers the image that stands in the scratch memory; undoes what that stored. With `second`:
    // draws a fence of it and a crash there.
    Tree recover(const std::string &where, Choice *second);
    // All but the third thread's file.
    Tree look(pmemfile::Thread &thread);
    void sync_scratch();
    void put(const Choice &choice, Choice &undo);
    void report(const std::string &finding);
    std::set<std::string> names_of(const Tree &tree, const std::vector<std::string> &changes);
    bool is_finished() const {
        return effort_.stop_at_first && !findings_.empty();
    }

    Effort effort_;
    std::mt19937 random_;
    std::unique_ptr<PoolMemory> live_;
    std::unique_ptr<PoolMemory> scratch_; // holds what is durable of `live_`, between images
    std::unique_ptr<PoolMemory> marked_;
    pmemfile::PoolOffset superblock_ = 0;
    std::unique_ptr<Recorder> recorder_;
    std::unique_ptr<AttachedImage> image_;
    unsigned thread_ = 0;
    unsigned recorded_thread_[3] = {0, 1, 4}; // 2 and 3: see replace_thread
    std::string subtree_;
    std::string torn_; // in call(), as a path of a tree
    Stage stage_ = Stage::not_begun;
    std::string third_path_; // in call_both, as a path of a tree
    size_t returned_ = 0;
    std::map<Kind, Outcome> outcomes_;
    std::unordered_set<uint64_t> tried_;
    std::vector<std::string> findings_;
    uint64_t image_count_ = 0, point_count_ = 0;
};

} // namespace crash
