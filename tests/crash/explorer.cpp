// One image costs one recovery, not one copy of the pool: the scratch memory always holds
// the durable content, an image is a few lines on top of it, and what recovery stores is undone.
//
//   live ──durable lines──► scratch + chosen pending lines ─► attach ─► tree, fsck ─► undo
#include "tests/crash/explorer.h"

#include "libpmemfile/check/checker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace crash {

using namespace pmemfile;

namespace {

constexpr uint64_t pool_size_bytes = 24ull << 20; // to which it can grow

void copy_line(std::byte *base, uint64_t line, const Line &content) {
    std::memcpy(base + line * cache_line_bytes, content.data(), cache_line_bytes);
}

// A pending line and the contents, each another, that whole stores give it; the first is the durable one.
struct Options {
    uint64_t line;
    const PendingLine *pending;
    std::vector<Line> contents;
};

std::vector<Options> options_of(const Recorder &recorder) {
    std::vector<Options> all;
    for (const auto &[line, pending] : recorder.pending()) {
        Options options{line, &pending, {}};
        for (size_t count = 0; count <= pending.stores.size(); ++count) {
            const Line content = pending.prefix(count);
            if (std::find(options.contents.begin(), options.contents.end(), content) == options.contents.end())
                options.contents.push_back(content);
        }
        if (options.contents.size() > 1)
            all.push_back(std::move(options));
    }
    return all;
}

} // namespace

Explorer::Explorer(const Effort &effort, unsigned seed)
    : effort_(effort), random_(seed), live_(std::make_unique<PoolMemory>(pool_size_bytes)),
      scratch_(std::make_unique<PoolMemory>(pool_size_bytes)), superblock_(load_new_pool(*live_)),
      recorder_(std::make_unique<Recorder>(live_->base())) {
    soil_free_blocks(*live_, superblock_);
    std::memcpy(scratch_->base(), live_->base(), live_->size_bytes());
    attach();
}

Explorer::~Explorer() {
    recorder_->at_fence = nullptr;
    image_.reset();
}

void Explorer::attach() {
    recorder_->at_fence = nullptr;
    use_thread(0);
    image_ = std::make_unique<AttachedImage>(live_->base(), live_->size_bytes(), superblock_, recorder_.get());
    if (!image_->error().empty())
        throw std::runtime_error(image_->error());
    image_->thread(0); // first, so that each thread has the ring that it had before
}

InodeNumber Explorer::root() const {
    return reinterpret_cast<const Superblock *>(live_->base() + superblock_)->root_inode;
}

void Explorer::report(const std::string &finding) {
    if (findings_.size() < 20)
        findings_.push_back(finding);
}

void Explorer::use_thread(unsigned index) {
    thread_ = index;
    recorder_->set_thread(recorded_thread_[index]);
}

void Explorer::replace_thread(unsigned index) {
    image_->end_thread(index);
    recorded_thread_[index] = recorded_thread_[index] ^ 2; // another processor's flushes
    use_thread(index);
    image_->thread(index);
}

void Explorer::prepare(const Work &work) {
    const base::Status done = work(thread());
    if (!done.ok())
        throw std::runtime_error(std::string("preparation failed: ") + std::strerror(done.error().number()));
}

void Explorer::mark() {
    image_.reset();
    recorder_->settle();
    recorder_->forget_changed();
    if (marked_ == nullptr)
        marked_ = std::make_unique<PoolMemory>(pool_size_bytes);
    std::memcpy(marked_->base(), live_->base(), live_->size_bytes());
    std::memcpy(scratch_->base(), live_->base(), live_->size_bytes());
    attach();
}

void Explorer::rewind() {
    image_.reset();
    for (const uint64_t line : recorder_->changed()) {
        std::memcpy(live_->base() + line * cache_line_bytes, marked_->base() + line * cache_line_bytes,
                    cache_line_bytes);
        std::memcpy(scratch_->base() + line * cache_line_bytes, marked_->base() + line * cache_line_bytes,
                    cache_line_bytes);
    }
    recorder_->settle();
    recorder_->forget_changed();
    attach();
}

void Explorer::crash_and_go_on() {
    sync_scratch();
    for (const auto &[line, pending] : recorder_->pending())
        copy_line(scratch_->base(), line, pending.draw(random_));
    image_.reset();
    for (const uint64_t line : recorder_->changed())
        std::memcpy(live_->base() + line * cache_line_bytes, scratch_->base() + line * cache_line_bytes,
                    cache_line_bytes);
    recorder_->settle();
    attach();
}

// Brings the scratch memory to what is durable now.
void Explorer::sync_scratch() {
    for (const auto &[line, before] : recorder_->touched())
        if (!recorder_->pending().contains(line))
            copy_line(scratch_->base(), line, recorder_->live(line));
    recorder_->forget_durable();
    for (const auto &[line, pending] : recorder_->pending())
        copy_line(scratch_->base(), line, pending.durable);
}

void Explorer::put(const Choice &choice, Choice &undo) {
    for (const auto &[line, content] : choice) {
        auto [entry, is_new] = undo.try_emplace(line);
        if (is_new)
            std::memcpy(entry->second.data(), scratch_->base() + line * cache_line_bytes, cache_line_bytes);
        copy_line(scratch_->base(), line, content);
    }
}

Tree Explorer::look(Thread &thread) {
    Tree tree = read_tree(thread, torn_);
    std::erase_if(tree, [&](const Node &node) { return !third_path_.empty() && node.path == third_path_; });
    return tree;
}

Tree Explorer::recover(const std::string &where, Choice *second) {
    Recorder undo(scratch_->base());
    unsigned fences = 0;
    undo.at_fence = [&] {
        // Each fence is as likely as any other, though their number is known only at the end.
        if (second == nullptr || random_() % ++fences != 0)
            return;
        second->clear();
        for (const auto &[line, before] : undo.touched()) {
            auto pending = undo.pending().find(line);
            (*second)[line] = pending == undo.pending().end() ? undo.live(line) : pending->second.draw(random_);
        }
    };
    Tree tree;
    {
        AttachedImage image(scratch_->base(), scratch_->size_bytes(), superblock_, &undo);
        if (!image.error().empty()) {
            report(where + ": " + image.error());
        } else {
            tree = look(image.thread());
            const CheckReport report_of_check = check_pool(image.pool().persist, superblock_, false);
            for (const CheckProblem &problem : report_of_check.problems)
                report(where + ": " + problem.structure + ": " + problem.text);
            if (report_of_check.blocks_leaked != 0)
                report(where + ": " + std::to_string(report_of_check.blocks_leaked) + " blocks leaked");
            if (report_of_check.orphans != 0)
                report(where + ": " + std::to_string(report_of_check.orphans) + " orphans are left");
        }
    }
    undo.at_fence = nullptr;
    for (const auto &[line, before] : undo.touched())
        copy_line(scratch_->base(), line, before);
    return tree;
}

void Explorer::try_image(const std::string &where, const Choice &choice) {
    uint64_t hash = choice.size();
    for (const auto &[line, content] : choice)
        hash = XXH3_64bits_withSeed(content.data(), content.size(), hash ^ line);
    if (!tried_.insert(hash).second || is_finished())
        return;
    Choice undo, second;
    put(choice, undo);
    const bool nested = image_count_++ % effort_.nested_every == 0;
    Tree tree = recover(where, nested ? &second : nullptr);
    if (!second.empty()) {
        put(second, undo);
        ++image_count_;
        const Tree again = recover(where + ", again in recovery", nullptr);
        if (again != tree)
            report(where + ": a crash in its recovery leads elsewhere:\n" + difference(again, tree));
    }
    for (const auto &[line, content] : undo)
        copy_line(scratch_->base(), line, content);
    const bool is_both = !subtree_.empty();
    const uint64_t first = hash_tree(tree, subtree_, false, !is_both);
    const uint64_t other = is_both ? hash_tree(tree, subtree_, true, false) : 0;
    outcomes_.try_emplace({first, other, stage_, returned_}, Outcome{where, std::move(tree)});
}

void Explorer::explore(const std::string &where) {
    if (is_finished())
        return;
    ++point_count_;
    sync_scratch();
    tried_.clear();
    const std::vector<Options> lines = options_of(*recorder_);
    uint64_t combinations = 1;
    for (const Options &options : lines)
        combinations = std::min<uint64_t>(combinations * options.contents.size(), uint64_t{1} << 32);
    auto image = [&](const std::string &kind, auto content_of) {
        Choice choice;
        for (size_t i = 0; i < lines.size(); ++i) {
            const Line content = content_of(i);
            if (content != lines[i].contents[0])
                choice[lines[i].line] = content;
        }
        try_image(where + ", " + kind, choice);
    };
    auto newest = [&](size_t i) { return recorder_->live(lines[i].line); };
    image("everything", newest);
    if (combinations <= effort_.all_up_to) {
        for (uint64_t number = 0; number < combinations; ++number) {
            uint64_t rest = number;
            image("combination " + std::to_string(number), [&](size_t i) {
                const uint64_t index = rest % lines[i].contents.size();
                rest /= lines[i].contents.size();
                return lines[i].contents[index];
            });
        }
    } else {
        image("nothing", [&](size_t i) { return lines[i].contents[0]; });
        for (unsigned single = 0; single < effort_.single_lines; ++single) {
            const size_t which = lines.size() <= effort_.single_lines ? single : random_() % lines.size();
            if (which >= lines.size())
                break;
            const Line oldest = lines[which].contents[0];
            image("all but line " + std::to_string(lines[which].line),
                  [&](size_t i) { return i == which ? oldest : newest(i); });
            image("line " + std::to_string(lines[which].line) + " alone",
                  [&](size_t i) { return i == which ? newest(i) : lines[i].contents[0]; });
        }
        for (unsigned sample = 0; sample < effort_.samples; ++sample) {
            const unsigned share = 1 + random_() % 7; // eighths of the lines
            image("sample " + std::to_string(sample), [&](size_t i) {
                const size_t count = lines[i].contents.size();
                return random_() % 8 < share ? lines[i].contents[1 + random_() % (count - 1)] : lines[i].contents[0];
            });
        }
    }
    if (lines.empty())
        return;
    for (unsigned sample = 0; sample < effort_.torn; ++sample) {
        const unsigned share = 1 + random_() % 8;
        image("torn " + std::to_string(sample),
              [&](size_t i) { return random_() % 8 < share ? lines[i].pending->draw(random_) : newest(i); });
    }
}

// All names, other ones of the same files too, under which a call that changes `changes` may leave another content.
std::set<std::string> Explorer::names_of(const Tree &tree, const std::vector<std::string> &changes) {
    std::set<std::string> names;
    std::set<InodeNumber> inodes;
    const auto inode_of = [&](const Node &node) {
        auto found = walk(thread(), root(), node.path, 0);
        return found.ok() ? found->inode : 0;
    };
    for (const Node &node : tree)
        for (const std::string &path : changes)
            if (!path.empty() && (node.path == "/" + path || node.path.starts_with("/" + path + "/"))) {
                names.insert(node.path);
                inodes.insert(inode_of(node));
            }
    for (const Node &node : tree)
        if (node.link_count > 1 && !S_ISDIR(node.mode) && inodes.contains(inode_of(node)))
            names.insert(node.path);
    return names;
}

void Explorer::call(const std::string &name, bool in_steps, const Work &work, const std::vector<std::string> &changes,
                    const std::string &torn) {
    if (is_finished())
        return;
    outcomes_.clear();
    torn_ = torn.empty() ? "" : "/" + torn;
    const Tree before = read_tree(thread(), torn_);
    const std::set<std::string> may_change = names_of(before, changes);
    unsigned fence = 0;
    recorder_->at_fence = [&] { explore(name + " at fence " + std::to_string(++fence)); };
    const base::Status done = work(thread());
    recorder_->at_fence = nullptr;
    const Tree after = read_tree(thread(), torn_);
    if (!done.ok() && !in_steps && after != before)
        report(name + ": failed, but has changed something:\n" + difference(after, before));
    for (const std::string &path : other_content(before, after))
        if (!may_change.contains(path))
            report(name + ": has changed " + path);
    for (const auto &[key, outcome] : outcomes_)
        if (outcome.tree != after && !is_same_but_space(outcome.tree, before) &&
            !(in_steps && is_between(outcome.tree, before, after)) &&
            !(!torn_.empty() && (is_same_but_torn(outcome.tree, before, torn_, before, after) ||
                                 is_same_but_torn(outcome.tree, after, torn_, before, after))))
            report(outcome.where + ": neither before nor after:\n" + difference(outcome.tree, after));
    outcomes_.clear();
    explore(name + " after its return");
    for (const auto &[key, outcome] : outcomes_)
        if (outcome.tree != after)
            report(outcome.where + ": what was done is lost:\n" + difference(outcome.tree, after));
    torn_.clear();
}

unsigned Explorer::count_fences(const Work &work) {
    unsigned count = 0;
    recorder_->at_fence = [&] { ++count; };
    (void)work(thread());
    recorder_->at_fence = nullptr;
    return count;
}

bool Explorer::call_both(const std::string &name, const Part &one, const std::string &subtree, const Part &other,
                         unsigned at_fence, unsigned stores_behind) {
    if (is_finished())
        return true;
    outcomes_.clear();
    subtree_ = subtree;
    third_path_ = other.third_path;
    stage_ = Stage::not_begun;
    returned_ = 0;
    image_->thread(1);
    const Tree before = look(thread());
    // The second thread's part before its first call, and after each.
    std::vector<Tree> parts = {part_of(before, subtree, true)};
    unsigned fence = 0;
    auto look_at_fence = [&] {
        ++fence;
        if (stage_ != Stage::not_begun || !effort_.only_meetings)
            explore(name + " at fence " + std::to_string(fence));
    };
    unsigned fences_of_second = 0;
    bool is_in_third = false;
    auto at_second_threads_fence = [&] {
        explore(name + ", at a fence of the " + (is_in_third ? "third" : "second") + " thread");
        if (is_in_third || other.third == nullptr || ++fences_of_second % 3 != 0)
            return;
        is_in_third = true;
        use_thread(2);
        (void)other.third(thread());
        use_thread(1);
        is_in_third = false;
    };
    auto make_other = [&] {
        recorder_->at_store = nullptr;
        stage_ = Stage::under_way;
        use_thread(1);
        for (const Work &call : other.calls) {
            recorder_->at_fence = at_second_threads_fence;
            (void)call(thread());
            recorder_->at_fence = nullptr;
            parts.push_back(read_tree(thread(), {}, subtree));
            ++returned_;
        }
        use_thread(0);
        stage_ = Stage::done;
    };
    const auto meet = [&] {
        make_other();
        recorder_->at_fence = look_at_fence;
        explore(name + " after the second thread's return");
    };
    unsigned stores = 0;
    const auto at_first_threads_fence = [&] {
        look_at_fence();
        if (fence != at_fence)
            return;
        if (stores_behind == 0)
            return meet();
        recorder_->at_store = [&] {
            if (++stores > stores_behind)
                meet();
        };
    };
    recorder_->at_fence = at_first_threads_fence;
    (void)one.calls.front()(thread());
    recorder_->at_fence = nullptr;
    recorder_->at_store = nullptr;
    const bool is_inside = stage_ == Stage::done;
    if (!is_inside)
        make_other();
    const Tree after = look(thread());
    const uint64_t first_before = hash_tree(before, subtree_, false, false),
                   first_after = hash_tree(after, subtree_, false, false);
    std::vector<uint64_t> part_hashes;
    for (const Tree &part : parts)
        part_hashes.push_back(hash_tree(part, subtree_, true, false));
    for (const auto &[kind, outcome] : outcomes_) {
        const auto in_steps = [&, &tree = outcome.tree](const Part &part, bool inside, const Tree &from, const Tree &to) {
            return part.between == Between::steps && is_between(part_of(tree, subtree, inside), from, to);
        };
        // Once the first has returned (the second was made after it), only its end is right.
        const bool first_is_right =
            kind.first == first_after ||
            ((is_inside || kind.stage == Stage::not_begun) &&
             (kind.first == first_before ||
              in_steps(one, false, part_of(before, subtree, false), part_of(after, subtree, false))));
        const bool other_is_right =
            kind.second == part_hashes[kind.returned] ||
            (kind.stage == Stage::under_way && kind.returned < other.calls.size() &&
             (kind.second == part_hashes[kind.returned + 1] ||
              in_steps(other, true, parts[kind.returned], parts[kind.returned + 1])));
        if (!first_is_right || !other_is_right)
            report(outcome.where + ": neither before nor after:\n" + difference(outcome.tree, after));
    }
    outcomes_.clear();
    subtree_.clear();
    explore(name + " after both have returned");
    for (const auto &[kind, outcome] : outcomes_)
        if (outcome.tree != after)
            report(outcome.where + ": what was done is lost:\n" + difference(outcome.tree, after));
    outcomes_.clear();
    third_path_.clear();
    return is_inside;
}

} // namespace crash
