// The same random calls on a pool and on the kernel's tmpfs: each gives the same
// errno, and both trees are equal in the end.
#include "tests/engine_names/pool_fixture.h"
#include "tests/engine_names/pool_tree.h"

#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/stat.h>

namespace pmemfile {
namespace {

class OracleTest : public PoolFixture {
protected:
    void SetUp() override {
        PoolFixture::SetUp();
        directory_ = path_ + ".oracle";
        ASSERT_EQ(::mkdir(directory_.c_str(), 0755), 0);
        directory_descriptor_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY);
        ASSERT_GE(directory_descriptor_, 0);
    }
    void TearDown() override {
        ::close(directory_descriptor_);
        std::filesystem::remove_all(directory_);
        PoolFixture::TearDown();
    }

    void kernel_tree(const std::string &path, Tree &tree) {
        for (const auto &entry : std::filesystem::directory_iterator(directory_ + path)) {
            const std::string name = path + "/" + entry.path().filename().string();
            struct stat stat;
            ASSERT_EQ(lstat(entry.path().c_str(), &stat), 0);
            tree[name] = describe(stat, S_ISLNK(stat.st_mode) ? std::filesystem::read_symlink(entry.path()) : "");
            if (S_ISDIR(stat.st_mode))
                kernel_tree(name, tree);
        }
    }
    std::string directory_;
    int directory_descriptor_ = -1;
};

int errno_of(const base::Status &status) {
    return status.ok() ? 0 : status.error().number();
}
int kernel_errno(long result) {
    return result < 0 ? errno : 0;
}

// Random paths of up to three components from a few names, so that calls meet.
class Paths {
public:
    explicit Paths(unsigned seed) : random_(seed) {}
    unsigned next(unsigned limit) {
        return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
    }
    std::string path() {
        std::string text = name();
        const unsigned depth = next(3);
        for (unsigned i = 0; i < depth; ++i) {
            text += next(12) == 0 ? "//" : "/";
            if (i == 0 && next(15) == 0)
                text += "..";
            else
                text += next(20) == 0 ? "." : name();
        }
        return next(12) == 0 ? text + "/" : text;
    }
    std::string name() {
        static const std::string long_name(240, 'n');
        const unsigned number = next(9);
        return number == 8 ? long_name : std::string(1 + number % 3, static_cast<char>('a' + number));
    }

private:
    std::mt19937 random_;
};

void run_calls(Thread &thread, InodeNumber root, int directory, unsigned seed, unsigned count) {
    Paths paths(seed);
    for (unsigned i = 0; i < count; ++i) {
        const std::string a = paths.path();
        const std::string b = paths.path();
        const At first{root, a, 0};
        const At second{root, b, 0};
        int ours = 0;
        int kernels = 0;
        std::string call;
        switch (paths.next(8)) {
        case 0: {
            static const int flag_sets[] = {O_CREAT | O_WRONLY,           O_CREAT | O_EXCL | O_RDWR,
                                            O_CREAT | O_TRUNC | O_WRONLY, O_RDONLY,
                                            O_RDONLY | O_NOFOLLOW,        O_RDONLY | O_DIRECTORY,
                                            O_WRONLY | O_TRUNC,           O_CREAT | O_NOFOLLOW | O_RDWR};
            const int flags = flag_sets[paths.next(8)];
            call = "open " + std::to_string(flags) + " " + a;
            auto id = fs_open(thread, first, flags, 0644);
            ours = id.ok() ? 0 : id.error().number();
            const int descriptor = ::openat(directory, a.c_str(), flags, 0644);
            kernels = kernel_errno(descriptor);
            if (id.ok())
                fs_close(thread, *id);
            if (descriptor >= 0)
                ::close(descriptor);
            break;
        }
        case 1:
            call = "mkdir " + a;
            ours = errno_of(fs_mkdir(thread, first, 0755));
            kernels = kernel_errno(::mkdirat(directory, a.c_str(), 0755));
            break;
        case 2:
            call = "rmdir " + a;
            ours = errno_of(fs_rmdir(thread, first));
            kernels = kernel_errno(::unlinkat(directory, a.c_str(), AT_REMOVEDIR));
            break;
        case 3:
            call = "unlink " + a;
            ours = errno_of(fs_unlink(thread, first));
            kernels = kernel_errno(::unlinkat(directory, a.c_str(), 0));
            break;
        case 4: {
            call = "link " + a + " " + b;
            auto found = walk(thread, root, a, 0);
            ours = found.ok() ? errno_of(fs_link(thread, found->handle(), second)) : found.error().number();
            kernels = kernel_errno(::linkat(directory, a.c_str(), directory, b.c_str(), 0));
            break;
        }
        case 5: {
            const std::string target = paths.next(2) == 0 ? paths.name() : paths.name() + "/" + paths.name();
            call = "symlink " + target + " " + b;
            ours = errno_of(fs_symlink(thread, target, second));
            kernels = kernel_errno(::symlinkat(target.c_str(), directory, b.c_str()));
            break;
        }
        default: {
            static const unsigned flag_sets[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
            const unsigned flags = flag_sets[paths.next(5)];
            call = "rename " + std::to_string(flags) + " " + a + " " + b;
            ours = errno_of(fs_rename(thread, first, second, flags));
            kernels = kernel_errno(::renameat2(directory, a.c_str(), directory, b.c_str(), flags));
            break;
        }
        }
        ASSERT_EQ(ours, kernels) << "seed " << seed << ", call " << i << ": " << call;
    }
}

TEST_F(OracleTest, random_calls_end_as_on_tmpfs) {
    umask(0);
    for (unsigned seed = 1; seed <= 60; ++seed) {
        run_calls(thread(), root_, directory_descriptor_, seed, 1000);
        ASSERT_FALSE(HasFatalFailure());
        Tree kernels;
        kernel_tree("", kernels);
        Tree ours;
        pool_tree(thread(), "", ours);
        ASSERT_FALSE(HasFatalFailure());
        ASSERT_EQ(ours, kernels) << "after seed " << seed;
    }
}

} // namespace
} // namespace pmemfile
