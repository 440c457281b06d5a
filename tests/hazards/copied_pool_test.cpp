// A pool's file is copied: two pools with one UUID, one nonce, one layout. Which runtime segment belongs to which is
// told by the file, not by what is in it (hazard 5).
#include "tests/engine_names/pool_fixture.h"

#include <fcntl.h>
#include <filesystem>

namespace pmemfile {
namespace {

class CopiedPoolTest : public PoolFixture {
protected:
    // One more attach, of another file.
    struct Attached {
        Pool pool;
        std::unique_ptr<PoolThread> thread;
        explicit Attached(const std::string &path) {
            AttachOptions options;
            options.container_describe = container_describe;
            ContainerMessage message;
            EXPECT_TRUE(pool_attach(pool, path.c_str(), options, &message).ok()) << message.text;
            thread = std::make_unique<PoolThread>(pool, nullptr);
        }
        ~Attached() {
            thread.reset();
            pool_detach(pool);
        }
    };
    void create(Thread &thread, const char *name) {
        auto id = fs_open(thread, at(name), O_CREAT | O_EXCL | O_WRONLY, 0644);
        ASSERT_TRUE(id.ok()) << name;
        fs_close(thread, *id);
    }
    bool has(Thread &thread, const char *name) {
        return walk(thread, root_, name, 0).ok();
    }
    static void expect_clean(Attached &attached) {
        const CheckReport report = check_pool(attached.pool.persist, attached.pool.superblock_offset, false);
        EXPECT_TRUE(report.problems.empty());
        EXPECT_EQ(report.blocks_leaked, 0u);
    }
};

// Copied while it is attached: the copy says so too, by a nonce that is not its own.
TEST_F(CopiedPoolTest, each_has_a_runtime_of_its_own) {
    create(thread(), "common");
    const std::string copy = path_ + ".copy";
    std::filesystem::copy_file(path_, copy);
    {
        Attached other(copy);
        EXPECT_STRNE(other.pool.segment_path, pool_.segment_path);
        EXPECT_NE(other.pool.segment->nonce, pool_.segment->nonce);
        create(**other.thread, "theirs");
        create(thread(), "ours");
        EXPECT_TRUE(has(**other.thread, "common"));
        EXPECT_FALSE(has(**other.thread, "ours"));
        EXPECT_FALSE(has(thread(), "theirs"));
        Attached again(copy); // joins the copy's
        EXPECT_TRUE(has(**again.thread, "theirs"));
        expect_clean(other);
    }
    unlink(copy.c_str());
}

// The copy takes the name while processes are in the original: who comes by the name is in the copy alone.
TEST_F(CopiedPoolTest, a_copy_under_the_name_is_another_pool) {
    const std::string copy = path_ + ".copy", aside = path_ + ".aside";
    std::filesystem::copy_file(path_, copy);
    std::filesystem::rename(path_, aside);
    std::filesystem::rename(copy, path_);
    create(thread(), "in-the-original");
    {
        Attached by_name(path_);
        EXPECT_FALSE(has(**by_name.thread, "in-the-original"));
        create(**by_name.thread, "in-the-copy");
        EXPECT_FALSE(has(thread(), "in-the-copy"));
        Attached original(aside);
        EXPECT_TRUE(has(**original.thread, "in-the-original"));
        EXPECT_FALSE(has(**original.thread, "in-the-copy"));
        expect_clean(original);
    }
    detach();
    unlink(aside.c_str());
}

} // namespace
} // namespace pmemfile
