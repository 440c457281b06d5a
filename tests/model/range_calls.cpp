// The model's calls on ranges of files: reflinks, copies, ranges put in, taken out, emptied and allocated, and files
// that get their name late. They share and part blocks, move whole maps, and leave work in steps.
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "tests/model/directory_model.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/falloc.h>

namespace model_test {

using namespace pmemfile;

void DirectoryModel::on_file(const std::string &name, const std::function<base::Status(OpenFileId)> &work, int wanted,
                             int mirrored, const std::string &call) {
    const Opened id(*this, name, O_RDWR);
    const base::Status done = work(*id);
    expect(wanted, done, mirrored, call + " " + name);
}

// Of whole blocks, or to the end: blocks that two files share, which the other calls then change in one of them.
void DirectoryModel::clone(const std::string &from, const std::string &to) {
    const auto source = files_.find(from);
    const auto target = files_.find(to);
    if (source == files_.end() || target == files_.end())
        return;
    const size_t source_blocks = source->second->bytes.size() / block_size_bytes;
    const size_t begin = below(2) == 0 ? 0 : below(static_cast<unsigned>(source_blocks + 1)) * block_size_bytes;
    const size_t blocks_left = source_blocks - begin / block_size_bytes;
    const size_t length = below(2) == 0 || blocks_left == 0
                              ? 0 // to the end
                              : (1 + below(static_cast<unsigned>(blocks_left))) * block_size_bytes;
    const std::string bytes = source->second->bytes.substr(begin, length == 0 ? std::string::npos : length);
    std::string &wanted_bytes = target->second->bytes;
    const size_t offset = below(3) == 0 ? 0 : below(8) * block_size_bytes;
    const size_t end = offset + bytes.size();
    if (end > max_file_bytes)
        return truncate(to);
    const Opened to_id(*this, to, O_WRONLY);
    // ioctl_ficlonerange(2): a part of a block may only become the end; no range onto itself.
    const size_t whole = (bytes.size() + block_size_bytes - 1) / block_size_bytes * block_size_bytes;
    const bool is_cut = bytes.size() % block_size_bytes != 0;
    const bool overlaps = source->second == target->second && offset < begin + whole && begin < offset + whole;
    const int wanted = !bytes.empty() && (overlaps || (is_cut && end < wanted_bytes.size())) ? EINVAL : 0;
    on_file(
        from,
        [&](OpenFileId from_id) {
            return fs_clone_range(thread(), from_id, begin, *to_id, offset, length, UINT64_MAX);
        },
        wanted, wanted != 0 || bytes.empty() ? wanted : mirror_.write(to, static_cast<int64_t>(offset), bytes),
        "clone to " + to + " from");
    if (wanted != 0 || bytes.empty())
        return;
    wanted_bytes.resize(std::max(wanted_bytes.size(), end));
    wanted_bytes.replace(offset, bytes.size(), bytes);
    target->second->mtime_ns.reset();
}

void DirectoryModel::copy(const std::string &from, const std::string &to) {
    const auto source = files_.find(from);
    const auto target = files_.find(to);
    if (source == files_.end() || target == files_.end() || source->second == target->second)
        return;
    const std::string &from_bytes = source->second->bytes;
    const size_t begin = below(static_cast<unsigned>(from_bytes.size() + 1));
    const size_t offset = below(2) == 0 ? begin % block_size_bytes : below(20'000);
    const size_t length = std::min<size_t>(from_bytes.size() - begin, 1 + below(60'000));
    if (length == 0 || offset + length > max_file_bytes)
        return;
    const std::string bytes = from_bytes.substr(begin, length);
    const Opened to_id(*this, to, O_WRONLY);
    on_file(
        from,
        [&](OpenFileId from_id) -> base::Status {
            auto in = static_cast<int64_t>(begin), out = static_cast<int64_t>(offset);
            for (size_t left = length; left != 0;) {
                BASE_TRY_ASSIGN(const size_t done,
                                fs_copy_range(thread(), from_id, &in, *to_id, &out, left, UINT64_MAX));
                if (done == 0)
                    return base::error(EIO);
                left -= done;
            }
            return {};
        },
        0, mirror_.copy(from, static_cast<int64_t>(begin), to, static_cast<int64_t>(offset), length),
        "copy to " + to + " from");
    std::string &to_bytes = target->second->bytes;
    to_bytes.resize(std::max(to_bytes.size(), offset + length));
    to_bytes.replace(offset, length, bytes);
    target->second->mtime_ns.reset();
}

// COLLAPSE_RANGE and INSERT_RANGE.
void DirectoryModel::shift(const std::string &name, bool puts_in) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return;
    std::string bytes = found->second->bytes;
    const size_t offset = below(static_cast<unsigned>(bytes.size() / block_size_bytes + 2)) * block_size_bytes;
    const size_t length = (1 + below(5)) * block_size_bytes;
    if (puts_in && bytes.size() + length > max_file_bytes)
        return truncate(name);
    // fallocate(2): both stay within the file; what would reach its end is a truncation.
    const int wanted = (puts_in ? offset >= bytes.size() : offset + length >= bytes.size()) ? EINVAL : 0;
    if (wanted == 0 && puts_in)
        bytes.insert(offset, length, '\0');
    else if (wanted == 0)
        bytes.erase(offset, length);
    on_file(
        name,
        [&](OpenFileId id) {
            return fs_fallocate(thread(), id, puts_in ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE,
                                static_cast<int64_t>(offset), static_cast<int64_t>(length));
        },
        wanted, wanted == 0 ? mirror_.replace(name, bytes) : wanted, puts_in ? "insert range" : "collapse range");
    found->second->bytes = bytes;
    if (wanted == 0)
        found->second->mtime_ns.reset();
}

// Allocates, makes a hole, or zeroes.
void DirectoryModel::allocate(const std::string &name) {
    const auto found = files_.find(name);
    if (found == files_.end())
        return;
    std::string &bytes = found->second->bytes;
    const size_t offset = below(static_cast<unsigned>(bytes.size() + 10'000));
    const size_t length = 1 + below(40'000);
    if (offset + length > max_file_bytes)
        return truncate(name);
    constexpr int modes[] = {0,
                             FALLOC_FL_KEEP_SIZE,
                             FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                             FALLOC_FL_ZERO_RANGE,
                             FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                             FALLOC_FL_UNSHARE_RANGE,
                             FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE};
    const int mode = modes[below(7)];
    const size_t old_size = bytes.size();
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0)
        bytes.resize(std::max(old_size, offset + length));
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && offset < bytes.size()) {
        const size_t zeroed = std::min(length, bytes.size() - offset);
        bytes.replace(offset, zeroed, zeroed, '\0');
    }
    on_file(
        name,
        [&](OpenFileId id) {
            return fs_fallocate(thread(), id, mode, static_cast<int64_t>(offset), static_cast<int64_t>(length));
        },
        0,
        (mode & FALLOC_FL_ZERO_RANGE) != 0 // not on tmpfs
            ? mirror_.replace(name, bytes)
            : mirror_.allocate(name, mode & ~FALLOC_FL_UNSHARE_RANGE, static_cast<int64_t>(offset),
                               static_cast<int64_t>(length)),
        "fallocate mode " + std::to_string(mode));
    found->second->mtime_ns.reset();
}

// O_TMPFILE, a write, and a name for it, or none.
void DirectoryModel::create_unnamed(const std::string &name) {
    constexpr size_t sizes[] = {10, 3000, 20'000};
    const std::string bytes(1 + below(static_cast<unsigned>(sizes[below(3)])), static_cast<char>('A' + below(26)));
    const bool is_named = below(4) != 0;
    const std::string path = full(name);
    base::Status linked;
    {
        const Opened id(*this, "", O_TMPFILE | O_RDWR);
        struct iovec vector = {const_cast<char *>(bytes.data()), bytes.size()};
        auto written = fs_pwrite(thread(), *id, {&vector, 1}, 0, UINT64_MAX);
        if (!written.ok() || *written != bytes.size())
            differ("write to a file without a name");
        if (auto file = open_file_get(thread(), *id); is_named && file.ok())
            linked = fs_link(thread(), (*file)->inode.load(), session_.at(path));
    }
    const int wanted = !is_named ? 0 : !parent_exists(name) ? ENOENT : files_.contains(name) ? EEXIST : 0;
    expect(wanted, linked, mirror_.create_unnamed(bytes, is_named ? name : ""), "link of an O_TMPFILE to " + name);
    if (is_named && wanted == 0) {
        files_[name] = std::make_shared<File>();
        files_[name]->bytes = bytes;
        files_[name]->names = 1;
    }
}

void DirectoryModel::call_on_ranges() {
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        return clone(random_name(), random_name());
    case 3:
        return copy(random_name(), random_name());
    case 4:
        return shift(random_name(), true);
    case 5:
        return shift(random_name(), false);
    case 6:
        return allocate(random_name());
    default:
        return create_unnamed(random_name());
    }
}

} // namespace model_test
