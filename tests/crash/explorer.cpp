// One image costs one recovery, not one copy of the pool: the scratch memory always holds
// the durable content, an image is a few lines on top of it, and what recovery stores is undone.
//
//   live ──durable lines──► scratch + chosen pending lines ─► attach ─► tree, fsck ─► undo
#include "tests/crash/explorer.h"

#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/open_calls.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

namespace crash {

using namespace pmemfile;

namespace {

constexpr uint64_t pool_size_bytes = 16ull << 20;

void copy_line(std::byte *base, uint64_t line, const Line &content) {
    std::memcpy(base + line * cache_line_bytes, content.data(), cache_line_bytes);
}

std::string content_of(Thread &thread, InodeHandle handle, uint64_t size_bytes) {
    std::vector<std::byte> bytes(size_bytes);
    struct iovec vector = {bytes.data(), bytes.size()};
    auto length = data_read(thread, handle.number, 0, {&vector, 1});
    if (!length.ok() || *length != size_bytes)
        return "unreadable";
    return std::to_string(XXH3_64bits(bytes.data(), bytes.size()));
}

void describe_directory(Thread &thread, const std::string &path, std::string &text) {
    const InodeNumber root = thread.pool->superblock().root_inode;
    auto id = fs_open(thread, {root, path.empty() ? "/" : path, 0}, O_RDONLY | O_DIRECTORY, 0);
    if (!id.ok()) {
        text += path + " cannot be opened\n";
        return;
    }
    std::vector<std::string> names;
    std::vector<char> buffer(8192);
    for (;;) {
        auto length = fs_getdents64(thread, *id, buffer.data(), buffer.size());
        if (!length.ok()) {
            text += path + " cannot be read\n";
            break;
        }
        if (*length == 0)
            break;
        for (size_t offset = 0; offset < *length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer.data() + offset);
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                names.emplace_back(name);
            offset += entry->d_reclen;
        }
    }
    fs_close(thread, *id);
    std::sort(names.begin(), names.end());
    for (const std::string &name : names) {
        const std::string whole = path + "/" + name;
        auto found = walk(thread, root, whole, 0);
        auto attributes = found.ok() ? fs_attributes(thread, found->handle()) : base::error(ENOENT);
        if (!attributes.ok()) {
            text += whole + " leads nowhere\n";
            continue;
        }
        text += whole + " " + std::to_string(attributes->mode) + " " + std::to_string(attributes->uid) + " " +
                std::to_string(attributes->link_count) + " " + std::to_string(attributes->mtime_ns) + " ";
        if (S_ISDIR(attributes->mode)) {
            text += "\n";
            describe_directory(thread, whole, text);
        } else if (S_ISLNK(attributes->mode)) {
            char target[path_max_bytes];
            auto length = fs_readlink(thread, found->handle(), target, sizeof(target));
            text += (length.ok() ? std::string(target, *length) : "unreadable") + "\n";
        } else {
            text += std::to_string(attributes->size_bytes) + " " +
                    content_of(thread, found->handle(), attributes->size_bytes) + "\n";
        }
    }
}

} // namespace

PoolMemory::PoolMemory(size_t size_bytes) : size_bytes_(size_bytes) {
    void *memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    base_ = static_cast<std::byte *>(memory);
}

PoolMemory::~PoolMemory() {
    munmap(base_, size_bytes_);
}

AttachedImage::AttachedImage(std::byte *base, size_t size_bytes, PoolOffset superblock, Recorder *recorder)
    : pool_(std::make_unique<Pool>()), thread_(std::make_unique<Thread>()) {
    base::Status attached = pool_attach_image(*pool_, base, size_bytes, superblock, recorder);
    if (!attached.ok()) {
        error_ = std::string("cannot be attached: ") + std::strerror(attached.error().number());
        return;
    }
    is_attached_ = true;
    if (!thread_register(*thread_, *pool_).ok())
        throw std::runtime_error("no thread slot");
}

AttachedImage::~AttachedImage() {
    if (!is_attached_)
        return;
    thread_release(*thread_);
    pool_detach(*pool_);
}

PoolOffset load_new_pool(PoolMemory &memory) {
    const std::string path = "/dev/shm/pmemfile-crash." + std::to_string(getpid());
    MkfsOptions options;
    options.size_bytes = memory.size_bytes();
    options.replace = true;
    ContainerMessage message;
    if (!mkfs(path.c_str(), options, &message).ok())
        throw std::runtime_error(message.text);
    const int file = open(path.c_str(), O_RDONLY);
    const ssize_t length = pread(file, memory.base(), memory.size_bytes(), 0);
    close(file);
    auto info = container_open(path.c_str(), &message);
    unlink(path.c_str());
    if (length != static_cast<ssize_t>(memory.size_bytes()) || !info.ok())
        throw std::runtime_error("the new pool cannot be read");
    const auto *root = reinterpret_cast<const ContainerRoot *>(memory.base() + info->root_offset);
    return root->slabs[0].first_block * block_size_bytes;
}

std::string describe_tree(Thread &thread) {
    std::string text;
    describe_directory(thread, "", text);
    return text;
}

Explorer::Explorer(const Effort &effort, Fault fault, unsigned seed)
    : effort_(effort), random_(seed), live_(std::make_unique<PoolMemory>(pool_size_bytes)),
      scratch_(std::make_unique<PoolMemory>(pool_size_bytes)), superblock_(load_new_pool(*live_)),
      recorder_(std::make_unique<Recorder>(live_->base())) {
    image_ = std::make_unique<AttachedImage>(live_->base(), live_->size_bytes(), superblock_, recorder_.get());
    if (!image_->error().empty())
        throw std::runtime_error(image_->error());
    std::memcpy(scratch_->base(), live_->base(), live_->size_bytes());
    recorder_->settle();
    recorder_->forget_durable();
    const Superblock &superblock = image_->pool().superblock();
    recorder_->rings_begin = superblock.ring_first_block * block_size_bytes;
    recorder_->rings_end = recorder_->rings_begin + superblock.ring_count * superblock.ring_size_bytes;
    recorder_->fault = fault;
}

Explorer::~Explorer() {
    recorder_->at_fence = nullptr;
    image_.reset();
}

InodeNumber Explorer::root() const {
    return image_->pool().superblock().root_inode;
}

void Explorer::report(const std::string &finding) {
    if (findings_.size() < 20)
        findings_.push_back(finding);
}

// Brings the scratch memory to what is durable now.
void Explorer::sync_scratch() {
    for (const auto &[line, before] : recorder_->touched()) {
        auto pending = recorder_->pending().find(line);
        copy_line(scratch_->base(), line,
                  pending != recorder_->pending().end() ? pending->second.durable : recorder_->live(line));
    }
    recorder_->forget_durable();
    // Pending lines may have become durable in part (a flush, then another store).
    for (const auto &[line, pending] : recorder_->pending())
        copy_line(scratch_->base(), line, pending.durable);
}

// What of a pending line reached the media: all, what was flushed, what it held between two
// stores, or some of its words.
Line Explorer::pick(uint64_t line, const PendingLine &pending) {
    Line content = recorder_->live(line);
    const unsigned kind = random_() % 8;
    if (kind == 0 && pending.is_flushed)
        return pending.flushed;
    if (kind == 2 && !pending.versions.empty())
        return pending.versions[random_() % pending.versions.size()];
    if (kind == 1)
        for (size_t word = 0; word < cache_line_bytes; word += 8)
            if (random_() % 2 == 0)
                std::memcpy(content.data() + word, pending.durable.data() + word, 8);
    return content;
}

std::string Explorer::recover(const std::string &where, unsigned crash_at_fence, Choice *second) {
    Recorder undo(scratch_->base());
    unsigned fences = 0;
    undo.at_fence = [&] {
        if (second == nullptr || ++fences != crash_at_fence)
            return;
        for (const auto &[line, before] : undo.touched()) {
            auto pending = undo.pending().find(line);
            const bool stays = pending != undo.pending().end() && random_() % 2 == 0;
            (*second)[line] = stays ? pending->second.durable : undo.live(line);
        }
    };
    std::string tree;
    {
        AttachedImage image(scratch_->base(), scratch_->size_bytes(), superblock_, &undo);
        if (!image.error().empty()) {
            report(where + ": " + image.error());
        } else {
            tree = describe_tree(image.thread());
            const CheckReport report_of_check = check_pool(image.pool().persist, superblock_, false);
            for (const CheckProblem &problem : report_of_check.problems)
                report(where + ": " + problem.structure + ": " + problem.text);
            if (report_of_check.blocks_leaked != 0)
                report(where + ": " + std::to_string(report_of_check.blocks_leaked) + " blocks leaked");
        }
    }
    undo.at_fence = nullptr;
    for (const auto &[line, before] : undo.touched())
        copy_line(scratch_->base(), line, before);
    return tree;
}

void Explorer::try_image(const std::string &where, const Choice &choice, bool nested) {
    std::map<uint64_t, Line> undo;
    auto put = [&](const Choice &lines) {
        for (const auto &[line, content] : lines) {
            auto [entry, is_new] = undo.try_emplace(line);
            if (is_new)
                std::memcpy(entry->second.data(), scratch_->base() + line * cache_line_bytes, cache_line_bytes);
            copy_line(scratch_->base(), line, content);
        }
    };
    put(choice);
    ++image_count_;
    Choice second;
    const std::string tree = recover(where, 1 + random_() % 3, nested ? &second : nullptr);
    outcomes_.push_back({where, tree});
    if (!second.empty()) {
        put(second);
        ++image_count_;
        if (recover(where + ", again in recovery", 0, nullptr) != tree)
            report(where + ": a crash in its recovery leads elsewhere");
    }
    for (const auto &[line, content] : undo)
        copy_line(scratch_->base(), line, content);
}

void Explorer::explore(const std::string &where) {
    sync_scratch();
    const auto &pending = recorder_->pending();
    std::vector<uint64_t> lines;
    for (const auto &[line, state] : pending)
        lines.push_back(line);
    auto image = [&](const std::string &kind, auto is_chosen, bool nested) {
        Choice choice;
        for (size_t i = 0; i < lines.size(); ++i)
            if (is_chosen(i))
                choice[lines[i]] = pick(lines[i], pending.at(lines[i]));
        try_image(where + ", " + kind, choice, nested);
    };
    if (lines.size() <= effort_.all_subsets_up_to) {
        for (unsigned subset = 0; subset < 1u << lines.size(); ++subset)
            image(
                "subset " + std::to_string(subset), [&](size_t i) { return (subset >> i & 1) != 0; },
                subset < effort_.nested);
        return;
    }
    image(
        "nothing", [](size_t) { return false; }, true);
    image(
        "everything", [](size_t) { return true; }, true);
    for (unsigned sample = 0; sample < effort_.samples; ++sample) {
        const unsigned share = 1 + random_() % 7; // eighths of the lines
        image(
            "sample " + std::to_string(sample), [&](size_t) { return random_() % 8 < share; }, sample < effort_.nested);
    }
}

void Explorer::call(const std::string &name, bool in_steps, const std::function<void(Thread &)> &work) {
    outcomes_.clear();
    const std::string before = describe_tree(image_->thread());
    unsigned fence = 0;
    recorder_->at_fence = [&] { explore(name + " at fence " + std::to_string(++fence)); };
    work(image_->thread());
    recorder_->at_fence = nullptr;
    const std::string after = describe_tree(image_->thread());
    for (const Outcome &outcome : outcomes_)
        if (!in_steps && outcome.tree != before && outcome.tree != after)
            report(outcome.where + ": neither before nor after:\n" + outcome.tree);
    outcomes_.clear();
    explore(name + " after its return");
    for (const Outcome &outcome : outcomes_)
        if (outcome.tree != after)
            report(outcome.where + ": what was done is lost:\n" + outcome.tree + "should be\n" + after);
}

} // namespace crash
