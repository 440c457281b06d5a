// wrapper: pmemfile.hpp as a program uses it.
#include "tests/tools/own_pool.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string_view>

namespace {

using pmemfile::cpp::File;
using pmemfile::cpp::Pool;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

class Wrapper : public tests::OwnPool {
protected:
    Wrapper() : OwnPool("wrapper", 16u << 20) {}
};

TEST_F(Wrapper, AFileIsWrittenAndRead) {
    auto file = pool_.open("/f", O_CREAT | O_RDWR);
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(*file->write(bytes_of("hello")), 5u);
    EXPECT_EQ(*file->write_at(bytes_of("J"), 0), 1u);
    EXPECT_EQ(*file->seek(0), 0);
    char text[8] = {};
    EXPECT_EQ(*file->read(std::as_writable_bytes(std::span(text))), 5u);
    EXPECT_STREQ(text, "Jello");
    EXPECT_EQ(file->stat()->st_size, 5);
    EXPECT_TRUE(file->truncate(2).ok());
    EXPECT_EQ(pool_.stat("/f")->st_size, 2);
}

TEST_F(Wrapper, ExtendedAttributes) {
    auto file = pool_.open("/f", O_CREAT | O_RDWR);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->set_xattr("user.text", "a value").ok());
    EXPECT_EQ(*file->xattr("user.text"), "a value");
    ASSERT_TRUE(file->set_xattr("user.text", "").ok());
    EXPECT_EQ(*file->xattr("user.text"), "");
    EXPECT_TRUE(file->remove_xattr("user.text").ok());
    EXPECT_EQ(file->xattr("user.text").error().number(), ENODATA);
}

TEST_F(Wrapper, ErrorsAreValues) {
    EXPECT_EQ(pool_.open("/missing", O_RDONLY).error().number(), ENOENT);
    EXPECT_EQ(pool_.mkdir("/").error().number(), EEXIST);
    EXPECT_EQ(pool_.readlink("/").error().number(), EINVAL);
    EXPECT_EQ(Pool::open("/dev/null").error().number() != 0, true);
    auto directory = pool_.open("/", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(directory.ok());
    std::byte byte{};
    EXPECT_EQ(directory->read({&byte, 1}).error().number(), EISDIR);
}

TEST_F(Wrapper, NamesAndEntries) {
    ASSERT_TRUE(pool_.mkdir("/d").ok());
    ASSERT_TRUE(pool_.symlink("target", "/d/link").ok());
    EXPECT_EQ(*pool_.readlink("/d/link"), "target");
    ASSERT_TRUE(pool_.rename("/d/link", "/d/other").ok());
    auto entries = pool_.entries("/d");
    ASSERT_TRUE(entries.ok());
    std::vector<std::string> names;
    for (const auto &entry : *entries)
        names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{".", "..", "other"}));
    EXPECT_TRUE(pool_.unlink("/d/other").ok());
    EXPECT_TRUE(pool_.rmdir("/d").ok());
}

TEST_F(Wrapper, OwnersMoveAndClose) {
    File kept;
    {
        auto file = pool_.open("/f", O_CREAT | O_RDWR);
        ASSERT_TRUE(file.ok());
        kept = std::move(*file);
    }
    EXPECT_TRUE(kept.write(bytes_of("x")).ok()) << "the one moved from closed nothing";
    ASSERT_TRUE(pool_.unlink("/f").ok());
    kept.close(); // the checker would find an orphan else
    kept.close();
}

} // namespace
