// Which paths are the host's at the first look; where they are, the long way says the same.
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/host_path.h"
#include "posix-shim/paths/route.h"
#include "tests/shim_files/shim_fixture.h"

#include <random>
#include <sys/mman.h>

using namespace shim_test;

namespace {

// At the beginning of a page, with other text behind it.
bool is_plain(const std::string &path, long dirfd = AT_FDCWD) {
    alignas(4096) static char page[2 * 4096];
    std::fill(std::begin(page), std::end(page), '/');
    path.copy(page, path.size());
    page[path.size()] = 0;
    return is_plainly_of_host(*context_get(), dirfd, page);
}

TEST_F(ShimFiles, HostPathsAtTheFirstLook) {
    const std::string long_name(61, 'n');
    for (const std::string &path :
         {std::string("/etc/hostname"), std::string("/usr/lib/x.so.1"), std::string("/home/me/.git/.config"),
          std::string("/tmp/"), root, root + "/other", root + "/link/file", "/a/" + long_name.substr(1)})
        EXPECT_TRUE(is_plain(path)) << path;
    for (const std::string &path : {root + "/mnt",
                                    root + "/mnt/",
                                    root + "/mnt/file",
                                    root + "/mnt2",
                                    std::string(),
                                    std::string("../file"),
                                    std::string("//etc"),
                                    std::string("/etc//x"),
                                    std::string("/etc/./x"),
                                    std::string("/etc/."),
                                    std::string("/etc/.."),
                                    std::string("/etc/../tmp"),
                                    std::string("/.."),
                                    std::string("/proc/self/fd/3"),
                                    std::string("/dev/stdin"),
                                    std::string("/etc/mtab"),
                                    std::string("/"),
                                    std::string("/proc"),
                                    std::string("/dev"),
                                    "/a/" + long_name})
        EXPECT_FALSE(is_plain(path)) << path;
}

// Of relative ones the directory decides that they begin at.
TEST_F(ShimFiles, RelativeHostPathsAtTheFirstLook) {
    const int former = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const auto enter = [](const std::string &directory) { EXPECT_EQ(call(SYS_chdir, address(directory.c_str())), 0); };
    const auto meet = [] { return route_path(*context_get(), 0, AT_FDCWD, "file", Care::quick, Last::follow).ok(); };
    enter("/usr/lib");
    EXPECT_FALSE(is_plain("file")); // nobody has looked where it is
    EXPECT_TRUE(meet());
    EXPECT_TRUE(is_plain("file"));
    EXPECT_TRUE(is_plain("a/.b/c"));
    for (const char *path : {"", "..", "../file", "a/../b", "a//b", "./file", "a/.", "."})
        EXPECT_FALSE(is_plain(path)) << path;
    for (const std::string &near : {root, std::string("/tmp"), std::string("/")}) {
        enter(near);
        EXPECT_FALSE(is_plain("file"));
        EXPECT_TRUE(meet());
        EXPECT_FALSE(is_plain("file")) << near;
    }
    enter("/usr/lib");
    EXPECT_TRUE(meet());
    WorkingDirectory in_pool;
    in_pool.mount = 0;
    beginning_directory_set(Beginning::working, in_pool);
    EXPECT_FALSE(is_plain("file"));
    beginning_directory_set(Beginning::working, {});
    EXPECT_TRUE(is_plain("file"));

    const long ours = open_ours();
    ASSERT_GE(ours, 0);
    EXPECT_FALSE(is_plain("file", ours));
    const int host = open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    descriptor_words[host].store(descriptor_unknown);
    EXPECT_FALSE(is_plain("file", host));
    call(SYS_lseek, host);
    EXPECT_TRUE(is_plain("file", host));
    EXPECT_FALSE(is_plain("../file", host));
    EXPECT_FALSE(is_plain("file", -1));
    for (const char *near : {"/", "/dev", "/proc", "/proc/sys"}) { // /proc/self/fd/N can be below
        const int descriptor = open(near, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        descriptor_words[descriptor].store(descriptor_unknown);
        call(SYS_lseek, descriptor);
        EXPECT_FALSE(is_plain("file", descriptor)) << near;
        close(descriptor);
        EXPECT_EQ(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), descriptor);
        descriptor_words[descriptor].store(descriptor_unknown);
        call(SYS_lseek, descriptor);
        EXPECT_TRUE(is_plain("file", descriptor)) << near;
        close(descriptor);
    }
    call(SYS_close, ours);
    call(SYS_close, host);
    close(host);
    EXPECT_EQ(fchdir(former), 0);
    close(former);
}

// A path that ends with its page is not read beyond it.
TEST_F(ShimFiles, HostPathsAtTheEndOfMemory) {
    constexpr size_t page_bytes = 4096;
    auto *pages =
        static_cast<char *>(mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_EQ(mprotect(pages + page_bytes, page_bytes, PROT_NONE), 0);
    const std::string path = "/etc/passwd";
    char *at = pages + page_bytes - path.size() - 1;
    memcpy(at, path.c_str(), path.size() + 1);
    EXPECT_FALSE(is_plainly_of_host(*context_get(), AT_FDCWD, at)); // it goes the long way
    struct stat status;
    EXPECT_EQ(call_with_kernel(SYS_stat, address(at), address(&status)), 0);
    munmap(pages, 2 * page_bytes);
}

TEST_F(ShimFiles, TheLongWaySaysTheSame) {
    const std::string own = root.substr(1, root.find('/', 1) - 1);
    const std::string parts[] = {"/",   "/",    "/",    ".",  "..", "a", ".b", own, root.substr(root.rfind('/') + 1),
                                 "mnt", "proc", "self", "dev"};
    std::mt19937 random(12);
    unsigned plain = 0;
    for (unsigned i = 0; i < 200'000; i++) {
        std::string path = i % 4 == 0 ? root : "";
        for (unsigned count = random() % 9; count > 0; count--)
            path += parts[random() % std::size(parts)];
        if (!is_plain(path))
            continue;
        plain++;
        const base::Result<Route> route =
            route_path(*context_get(), 0, AT_FDCWD, path.c_str(), Care::quick, Last::follow);
        ASSERT_TRUE(route.ok() && route->where == Where::kernel) << path;
    }
    EXPECT_GT(plain, 10'000u);
}

} // namespace
