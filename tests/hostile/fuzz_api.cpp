// The C interface with any arguments: sizes and offsets from the ends of their ranges, flags of all
// bits, names of a few files so that calls meet. The pool is empty at the beginning of each input.
// Every 200 inputs the pool is closed and checked: nothing may be found.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/locate.h"
#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/hostile/input.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace {

using hostile::Input;

constexpr size_t pool_size_bytes = 32u << 20;
constexpr unsigned calls_per_input = 64;
constexpr unsigned inputs_per_check = 200;

class PoolOfCalls {
public:
    PoolOfCalls() : path_("/dev/shm/pmemfile-fuzz-api." + std::to_string(getpid())) {
        unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), pool_size_bytes, 0600);
        expect(pool_ != nullptr, pmemfile_errormsg());
        open_again();
    }
    ~PoolOfCalls() {
        check();
        unlink(path_.c_str());
    }
    void run(Input &input) {
        for (unsigned i = 0; i < calls_per_input && !input.empty(); ++i)
            call(input);
        for (PMEMfile *&file : files_)
            drop(file);
        remove_all("/");
        if (++inputs_ % inputs_per_check == 0) {
            check();
            open_again();
        }
    }

private:
    static constexpr size_t file_count = 4;

    static void expect(bool holds, const char *text) {
        if (holds)
            return;
        std::fprintf(stderr, "%s\n", text);
        std::abort();
    }
    void open_again() {
        if (pool_ == nullptr)
            pool_ = pmemfile_pool_open(path_.c_str());
        expect(pool_ != nullptr, pmemfile_errormsg());
    }
    void drop(PMEMfile *&file) {
        if (file != nullptr)
            pmemfile_close(pool_, file);
        file = nullptr;
    }
    void check() {
        pmemfile_pool_close(pool_);
        pool_ = nullptr;
        const int descriptor = open(path_.c_str(), O_RDONLY);
        auto *base = static_cast<std::byte *>(
            mmap(nullptr, pool_size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0));
        expect(base != MAP_FAILED, "mmap");
        close(descriptor);
        pmemfile::Persist persist(base, pool_size_bytes, pmemfile::Medium::volatile_memory);
        const auto superblock = pmemfile::pool_find_superblock(base, pool_size_bytes);
        expect(superblock.ok(), "no superblock");
        const auto report = pmemfile::fsck_pool(persist, *superblock, false).check;
        for (const auto &problem : report.problems)
            expect(false, (problem.structure + ": " + problem.text).c_str());
        munmap(base, pool_size_bytes);
    }
    void remove_all(const std::string &directory) {
        PMEMfile *opened = pmemfile_open(pool_, directory.c_str(), O_RDONLY | O_DIRECTORY);
        if (opened == nullptr)
            return;
        std::vector<std::string> names;
        std::vector<char> buffer(4096);
        for (int length; (length = pmemfile_getdents64(pool_, opened, reinterpret_cast<dirent64 *>(buffer.data()),
                                                       static_cast<unsigned>(buffer.size()))) > 0;)
            for (int at = 0; at < length;) {
                const auto *entry = reinterpret_cast<const dirent64 *>(buffer.data() + at);
                names.emplace_back(entry->d_name);
                at += entry->d_reclen;
            }
        pmemfile_close(pool_, opened);
        for (const std::string &name : names) {
            const std::string path = directory + name;
            if (name == "." || name == ".." || pmemfile_unlink(pool_, path.c_str()) == 0)
                continue;
            remove_all(path + "/");
            expect(pmemfile_rmdir(pool_, path.c_str()) == 0, "a directory that was emptied cannot be removed");
        }
    }
    std::string name(Input &input) {
        static const char *const names[] = {"/a", "/b", "/d", "/d/a", "/d/e", "/d/e/f",
                                            "c",  "/l", "",   "/",    "..",   "/l/a"};
        return input.below(8) == 0 ? input.text(40) : names[input.below(std::size(names))];
    }
    const char *xattr(Input &input) {
        static const char *const names[] = {"user.a",
                                            "user.b",
                                            "user.cc",
                                            "trusted.a",
                                            "security.capability",
                                            "x",
                                            "system.posix_acl_access",
                                            "system.posix_acl_default"};
        return names[input.below(std::size(names))];
    }
    // Mostly a good one.
    void access_list(Input &input, const char *path) {
        std::vector<uint64_t> entries = {0xffffffff'0007'0001};
        for (uint64_t count = input.below(5); count > 0; --count)
            entries.push_back(uint64_t{input.take<uint8_t>()} << 32 | 0x0007'0002);
        for (const uint64_t entry : {0xffffffff'0005'0004, 0xffffffff'0007'0010, 0xffffffff'0001'0020})
            if (input.below(16) != 1)
                entries.push_back(entry);
        std::string list("\2\0\0\0", 4);
        list.append(reinterpret_cast<const char *>(entries.data()), entries.size() * 8);
        pmemfile_setxattr(pool_, path, input.below(2) == 0 ? "system.posix_acl_access" : "system.posix_acl_default",
                          list.data(), list.size(), 0);
    }
    // Around the ends of ranges.
    int64_t offset(Input &input) {
        static const int64_t ends[] = {0, 1, 127, 128, 129, 4095, 4096, 65536, 2097152, INT64_MAX, INT64_MIN, -1};
        switch (input.below(4)) {
        case 0:
            return ends[input.below(std::size(ends))];
        case 1:
            return ends[input.below(std::size(ends) - 3)] + input.take<int8_t>();
        case 2:
            return input.take<int64_t>();
        default:
            return input.take<uint16_t>();
        }
    }
    void call(Input &input) {
        const std::string first = name(input), second = name(input);
        PMEMfile *&file = files_[input.below(file_count)];
        const size_t size = input.below(3) == 0 ? input.below(buffer_.size()) : input.take<uint8_t>();
        struct stat status;
        switch (input.below(28)) {
        case 0:
        case 1:
        case 2:
            drop(file);
            file = pmemfile_open(pool_, first.c_str(),
                                 (input.take<int32_t>() & ~O_TMPFILE) | (input.below(2) != 0 ? O_CREAT | O_RDWR : 0),
                                 0644);
            return;
        case 3:
            return drop(file);
        case 4:
            pmemfile_mkdir(pool_, first.c_str(), input.take<uint16_t>() | 0700u);
            return;
        case 5:
            pmemfile_rmdir(pool_, first.c_str());
            return;
        case 6:
            pmemfile_unlink(pool_, first.c_str());
            return;
        case 7:
            pmemfile_renameat2(pool_, PMEMFILE_AT_CWD, first.c_str(), PMEMFILE_AT_CWD, second.c_str(),
                               static_cast<unsigned>(input.below(9)));
            return;
        case 8:
            pmemfile_link(pool_, first.c_str(), second.c_str());
            return;
        case 9:
            pmemfile_symlink(pool_, first.c_str(), second.c_str());
            return;
        case 10:
            pmemfile_readlink(pool_, first.c_str(), buffer_.data(), size);
            return;
        case 11:
            pmemfile_stat(pool_, first.c_str(), &status);
            return;
        case 12:
            pmemfile_chmod(pool_, first.c_str(), input.take<uint16_t>() | 0700u);
            return;
        case 13:
            pmemfile_truncate(pool_, first.c_str(), offset(input));
            return;
        case 14:
            pmemfile_mknodat(pool_, PMEMFILE_AT_CWD, first.c_str(), input.take<uint32_t>(), input.take<uint32_t>());
            return;
        case 15:
        case 16:
            pmemfile_lsetxattr(pool_, first.c_str(), xattr(input), buffer_.data(), size,
                               static_cast<int>(input.below(4)));
            return;
        case 17:
            pmemfile_lremovexattr(pool_, first.c_str(), xattr(input));
            return;
        case 18:
            pmemfile_lgetxattr(pool_, first.c_str(), xattr(input), buffer_.data(), size);
            pmemfile_llistxattr(pool_, first.c_str(), buffer_.data(), size);
            return;
        case 19:
            access_list(input, first.c_str());
            return;
        default:
            break;
        }
        if (file == nullptr)
            return;
        switch (input.below(12)) {
        case 0:
        case 1:
            pmemfile_write(pool_, file, buffer_.data(), size);
            return;
        case 2:
        case 3:
            pmemfile_pwrite(pool_, file, buffer_.data(), size, offset(input));
            return;
        case 4:
            pmemfile_read(pool_, file, buffer_.data(), size);
            return;
        case 5:
            pmemfile_pread(pool_, file, buffer_.data(), size, offset(input));
            return;
        case 6:
            pmemfile_lseek(pool_, file, offset(input), static_cast<int>(input.below(7)));
            return;
        case 7:
            pmemfile_ftruncate(pool_, file, offset(input));
            return;
        case 8:
            pmemfile_fallocate(pool_, file, input.take<uint8_t>(), offset(input), offset(input));
            return;
        case 9:
            pmemfile_getdents64(pool_, file, reinterpret_cast<dirent64 *>(buffer_.data()), static_cast<unsigned>(size));
            return;
        case 10:
            pmemfile_flock(pool_, file, static_cast<int>(input.below(16)) | LOCK_NB);
            return;
        case 11: {
            struct flock lock = {};
            lock.l_type = static_cast<short>(input.below(4));
            lock.l_whence = static_cast<short>(input.below(4));
            lock.l_start = offset(input);
            lock.l_len = offset(input);
            pmemfile_fcntl(pool_, file, input.below(2) == 0 ? F_SETLK : F_GETLK, &lock);
            return;
        }
        }
    }

    std::string path_;
    PMEMfilepool *pool_ = nullptr;
    PMEMfile *files_[file_count] = {};
    std::vector<char> buffer_ = std::vector<char>(70000, 'b');
    unsigned inputs_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes) {
    static PoolOfCalls calls;
    Input input(bytes, size_bytes);
    calls.run(input);
    return 0;
}
