// The model's mappings: a file is mapped here and on tmpfs, written through the mapping and by calls in turns, grows
// and shrinks under it, and each sees what the other has done.
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/size_change.h"
#include "tests/model/directory_model.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

namespace model_test {

using namespace pmemfile;

namespace {

constexpr uint64_t pool_key = 1;
thread_local Thread *calling_thread = nullptr; // the table of mappings is the process's

const MappingCaller caller = {nullptr, [](void *, uint64_t) -> base::Result<Thread *> { return calling_thread; }};

// Where the next mapping of ours stands; 0: anywhere. ThreadSanitizer has to hear of addresses that
// are used again, and does not hear of mappings that the engine makes.
uint64_t place_of([[maybe_unused]] size_t length_bytes) {
#if defined(__SANITIZE_THREAD__)
    void *const heard = mmap(nullptr, length_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return heard == MAP_FAILED ? 0 : reinterpret_cast<uint64_t>(heard);
#else
    return 0;
#endif
}

long map_ours(size_t length_bytes, int flags, const FileToMap &what) {
    const uint64_t place = place_of(length_bytes);
    return mapping_map(
        caller, {place, length_bytes, PROT_READ | PROT_WRITE, flags | (place != 0 ? MAP_FIXED : 0), 0, -1}, &what);
}

long remap_ours(uint64_t address, size_t old_length_bytes, size_t length_bytes) {
    const uint64_t place = place_of(length_bytes);
    return mapping_remap(caller, address, old_length_bytes, length_bytes,
                         MREMAP_MAYMOVE | (place != 0 ? MREMAP_FIXED : 0), place);
}

// The same file mapped twice: by us, and on tmpfs by the kernel.
struct Twins {
    char *ours = nullptr;
    char *kernels = nullptr;
    size_t length_bytes = 0;
};

} // namespace

void DirectoryModel::map_private(const std::string &name) {
    File *file = find_file(name);
    if (file == nullptr || file->bytes.empty())
        return;
    calling_thread = &thread();
    const Opened id(*this, name, O_RDONLY);
    const size_t length = file->bytes.size();
    const FileToMap what = {thread(), *id, pool_key};
    const long mapped = map_ours(length, MAP_PRIVATE, what);
    if (base::is_error(mapped))
        differ("mmap, private, " + name + ": " + std::strerror(static_cast<int>(-mapped)));
    char *bytes = reinterpret_cast<char *>(mapped);
    std::string wanted = file->bytes;
    if (std::memcmp(bytes, wanted.data(), length) != 0)
        differ("a private mapping of " + name + " shows other bytes");
    for (unsigned count = below(5); count != 0; --count) {
        const size_t at = below(static_cast<unsigned>(length));
        const size_t size = std::min<size_t>(length - at, 1 + below(9000));
        std::memset(bytes + at, 'P', size);
        wanted.replace(at, size, size, 'P');
    }
    if (std::memcmp(bytes, wanted.data(), length) != 0)
        differ("a private mapping of " + name + " has lost what was stored in it");
    if (mapping_unmap(caller, static_cast<uint64_t>(mapped), length) != 0)
        differ("munmap " + name);
    compare_file(name, *file); // which knows nothing of it
}

void DirectoryModel::map_shared(const std::string &name) {
    File *file = find_file(name);
    if (file == nullptr)
        return;
    calling_thread = &thread();
    std::string &bytes = file->bytes;
    file->mtime_ns.reset();
    const Opened id(*this, name, O_RDWR);
    const int mirrored = open(mirror_.at(name).c_str(), O_RDWR | O_CLOEXEC);
    const InodeNumber inode = (*open_file_get(thread(), *id))->inode.load();
    Twins twins;
    twins.length_bytes = 1 + below(static_cast<unsigned>(bytes.size() + 30'000));
    const FileToMap what = {thread(), *id, pool_key};
    const long mapped = map_ours(twins.length_bytes, MAP_SHARED, what);
    void *const kernels = mmap(nullptr, twins.length_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mirrored, 0);
    if (base::is_error(mapped) || kernels == MAP_FAILED)
        differ("mmap " + name + ": " + std::strerror(static_cast<int>(-mapped)));
    twins.ours = reinterpret_cast<char *>(mapped);
    twins.kernels = static_cast<char *>(kernels);
    const auto seen = [&] { return std::min(bytes.size(), twins.length_bytes); };
    for (unsigned count = 3 + below(10); count != 0; --count) {
        switch (below(9)) {
        case 0:
        case 1: { // stores
            if (seen() == 0)
                break;
            const size_t at = below(static_cast<unsigned>(seen()));
            const size_t size = std::min<size_t>(seen() - at, 1 + below(below(2) == 0 ? 100 : 20'000));
            const char fill = static_cast<char>('0' + below(10));
            std::memset(twins.ours + at, fill, size);
            std::memset(twins.kernels + at, fill, size);
            bytes.replace(at, size, size, fill);
            break;
        }
        case 2:
        case 3: { // a call writes, perhaps behind the end
            const size_t at = below(static_cast<unsigned>(bytes.size() + 9000));
            const std::string more(1 + below(below(2) == 0 ? 100 : 20'000), static_cast<char>('a' + below(26)));
            if (at + more.size() > max_file_bytes)
                break;
            struct iovec vector = {const_cast<char *>(more.data()), more.size()};
            auto done = fs_pwrite(thread(), *id, {&vector, 1}, static_cast<int64_t>(at), UINT64_MAX);
            if (!done.ok() || *done != more.size())
                differ("write to mapped " + name);
            expect(0, {}, mirror_.write(name, static_cast<int64_t>(at), more), "write to mapped " + name);
            bytes.resize(std::max(bytes.size(), at + more.size()));
            bytes.replace(at, more.size(), more);
            mapping_file_grown(caller, pool_key, inode);
            break;
        }
        case 4: { // another size
            const size_t size = below(static_cast<unsigned>(std::min(max_file_bytes, twins.length_bytes + 20'000)));
            expect(0, fs_ftruncate(thread(), *id, static_cast<int64_t>(size)),
                   mirror_.truncate(name, static_cast<int64_t>(size)), "truncate mapped " + name);
            bytes.resize(size);
            mapping_file_cut(caller, pool_key, inode);
            mapping_file_grown(caller, pool_key, inode);
            break;
        }
        case 5: { // a hole
            const size_t at = below(static_cast<unsigned>(bytes.size() + 1)), size = 1 + below(20'000);
            constexpr int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
            expect(0, fs_fallocate(thread(), *id, mode, static_cast<int64_t>(at), static_cast<int64_t>(size)),
                   mirror_.allocate(name, mode, static_cast<int64_t>(at), static_cast<int64_t>(size)),
                   "punch a hole into mapped " + name);
            const size_t zeroed = std::min(size, bytes.size() - at);
            bytes.replace(at, zeroed, zeroed, '\0');
            break;
        }
        case 6: // a call reads
            compare_file(name, *file);
            break;
        case 7: {
            const long synced =
                mapping_sync(caller, reinterpret_cast<uint64_t>(twins.ours), twins.length_bytes, MS_SYNC);
            if (synced != 0)
                differ("msync " + name);
            break;
        }
        default: { // more or less of it is mapped
            const size_t length = 1 + below(static_cast<unsigned>(bytes.size() + 30'000));
            const long moved = remap_ours(reinterpret_cast<uint64_t>(twins.ours), twins.length_bytes, length);
            void *const kernels_moved = mremap(twins.kernels, twins.length_bytes, length, MREMAP_MAYMOVE);
            if (base::is_error(moved) || kernels_moved == MAP_FAILED)
                differ("mremap " + name);
            twins = {reinterpret_cast<char *>(moved), static_cast<char *>(kernels_moved), length};
        }
        }
        // Up to the end of the page, where zeros are.
        std::string wanted = bytes.substr(0, seen());
        if (seen() == bytes.size())
            wanted.resize(round_up_to_page(wanted.size()));
        if (std::memcmp(twins.ours, wanted.data(), wanted.size()) != 0)
            differ("the mapping of " + name + " shows other bytes");
        if (std::memcmp(twins.kernels, wanted.data(), wanted.size()) != 0)
            differ("the mapping of " + name + " on tmpfs shows other bytes");
    }
    if (mapping_unmap(caller, reinterpret_cast<uint64_t>(twins.ours), twins.length_bytes) != 0)
        differ("munmap " + name);
    munmap(twins.kernels, twins.length_bytes);
    close(mirrored);
    compare_file(name, *file);
}

} // namespace model_test
