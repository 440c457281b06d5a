// Every changing call, explored; and the explorer itself, which must notice seeded faults.
//
// PMEMFILE_CRASH_EFFORT=thorough: more images a crash point, more rounds.
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "tests/crash/explorer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>

namespace crash {
namespace {

using namespace pmemfile;

bool is_thorough() {
    const char *effort = getenv("PMEMFILE_CRASH_EFFORT");
    return effort != nullptr && std::string(effort) == "thorough";
}

Effort effort() {
    return is_thorough() ? Effort{9, 400, 40} : Effort{};
}

// Short words for calls on the explored pool.
class Script {
public:
    explicit Script(Explorer &explorer) : explorer_(explorer) {}

    void create(const std::string &path, mode_t mode = 0644) {
        run("create " + path, [=, this](Thread &thread) {
            auto id = fs_open(thread, at(path), O_CREAT | O_EXCL | O_RDWR, mode);
            ASSERT_TRUE(id.ok());
            fs_close(thread, *id);
        });
    }
    void write(const std::string &path, uint64_t offset, size_t size, char fill, bool in_steps = false) {
        const std::string name = "write " + path + " " + std::to_string(offset) + "+" + std::to_string(size);
        on(name, path, in_steps, [=](Thread &thread, OpenFileId id) {
            std::string bytes(size, fill);
            struct iovec vector = {bytes.data(), bytes.size()};
            auto done = fs_pwrite(thread, id, {&vector, 1}, static_cast<int64_t>(offset), UINT64_MAX);
            ASSERT_TRUE(done.ok() && *done == size);
        });
    }
    void truncate(const std::string &path, int64_t size, bool in_steps = false) {
        on("truncate " + path + " " + std::to_string(size), path, in_steps,
           [=](Thread &thread, OpenFileId id) { ASSERT_TRUE(fs_ftruncate(thread, id, size).ok()); });
    }
    void allocate(const std::string &path, int64_t offset, int64_t size) {
        on("fallocate " + path, path, true,
           [=](Thread &thread, OpenFileId id) { ASSERT_TRUE(fs_fallocate(thread, id, 0, offset, size).ok()); });
    }
    void status(const std::string &name, std::function<base::Status(Thread &)> call) {
        run(name, [=](Thread &thread) { ASSERT_TRUE(call(thread).ok()) << name; });
    }
    void mkdir(const std::string &path) {
        status("mkdir " + path, [=, this](Thread &thread) { return fs_mkdir(thread, at(path), 0755); });
    }
    void rmdir(const std::string &path) {
        status("rmdir " + path, [=, this](Thread &thread) { return fs_rmdir(thread, at(path)); });
    }
    void unlink(const std::string &path, bool in_steps = false) {
        explorer_.call("unlink " + path, in_steps,
                       [=, this](Thread &thread) { ASSERT_TRUE(fs_unlink(thread, at(path)).ok()) << path; });
    }
    void link(const std::string &from, const std::string &to) {
        status("link " + to, [=, this](Thread &thread) -> base::Status {
            BASE_TRY_ASSIGN(WalkResult found, walk(thread, explorer_.root(), from, 0));
            return fs_link(thread, found.handle(), at(to));
        });
    }
    void symlink(const std::string &target, const std::string &path) {
        status("symlink " + path, [=, this](Thread &thread) { return fs_symlink(thread, target, at(path)); });
    }
    void rename(const std::string &from, const std::string &to, unsigned flags = 0) {
        status("rename " + from + " " + to,
               [=, this](Thread &thread) { return fs_rename(thread, at(from), at(to), flags); });
    }
    void change(const std::string &name, const std::string &path,
                std::function<base::Status(Thread &, InodeHandle)> call) {
        status(name + " " + path, [=, this](Thread &thread) -> base::Status {
            BASE_TRY_ASSIGN(WalkResult found, walk(thread, explorer_.root(), path, 0));
            return call(thread, found.handle());
        });
    }
    // Unlinks a file that is open, and closes it.
    void orphan(const std::string &path) {
        OpenFileId id = 0;
        run("open " + path, [&](Thread &thread) { id = *fs_open(thread, at(path), O_RDWR, 0); });
        unlink(path);
        run("last close of " + path, [&](Thread &thread) { fs_close(thread, id); });
    }

private:
    At at(const std::string &path) const {
        return {explorer_.root(), path, 0};
    }
    void run(const std::string &name, const std::function<void(Thread &)> &work) {
        explorer_.call(name, false, work);
    }
    void on(const std::string &name, const std::string &path, bool in_steps,
            const std::function<void(Thread &, OpenFileId)> &work) {
        explorer_.call(name, in_steps, [&](Thread &thread) {
            auto id = fs_open(thread, at(path), O_RDWR, 0);
            ASSERT_TRUE(id.ok()) << path;
            work(thread, *id);
            fs_close(thread, *id);
        });
    }
    Explorer &explorer_;
};

void names(Script &script) {
    script.mkdir("d");
    script.mkdir("e");
    script.create("d/a");
    script.create("d/b");
    script.link("d/a", "e/l");
    script.symlink("short", "d/s");
    script.symlink(std::string(300, 't'), "d/t");
    script.rename("d/a", "d/c");
    script.rename("d/c", "e/c");
    script.rename("d/b", "e/c");
    script.mkdir("d/sub");
    script.mkdir("e/sub");
    script.rename("d/sub", "e/sub");
    script.rename("e/sub", "d/moved");
    script.rename("e/c", "d/moved", 2 /* RENAME_EXCHANGE */);
    script.unlink("e/l");
    script.unlink("d/s");
    script.unlink("d/t");
    script.rmdir("e/c");
    script.create("e/open");
    script.write("e/open", 0, 20000, 'o');
    script.orphan("e/open");
}

void data(Script &script) {
    script.create("f");
    script.write("f", 0, 60, 'a');     // inline
    script.write("f", 30, 60, 'b');    // inline, over it
    script.write("f", 50, 1000, 'c');  // moves out
    script.write("f", 500, 64, 'd');   // in place, by a record
    script.write("f", 4000, 200, 'e'); // into the next block
    script.write("f", 0, 4096, 'f');   // a fresh block
    script.write("f", 1000, 9000, 'g');
    script.write("f", 100000, 64, 'h'); // a hole before it
    script.write("f", 0, 65536, 'i');
    script.write("f", 5000000, 4096, 'j'); // a taller tree
    script.truncate("f", 66000);
    script.truncate("f", 5000);
    script.truncate("f", 4097);
    script.truncate("f", 90000);
    script.write("f", 4096, 3000, 'k');
    script.truncate("f", 0);
    script.write("f", 0, 300000, 'l', true);
    script.allocate("f", 100000, 400000);
    script.truncate("f", 10);
    script.unlink("f");
}

void attributes(Script &script) {
    script.create("x");
    script.change("chmod", "x", [](Thread &thread, InodeHandle x) { return fs_chmod(thread, x, 0600); });
    script.change("chown", "x", [](Thread &thread, InodeHandle x) { return fs_chown(thread, x, 7, 8); });
    script.change("utimens", "x", [](Thread &thread, InodeHandle x) {
        const struct timespec times[2] = {{1, 2}, {3, 4}};
        return fs_utimens(thread, x, times);
    });
}

// Enough names for leaves to split, and for the watermark to go round the small rings.
void many_names(Script &script, unsigned count) {
    script.mkdir("m");
    for (unsigned i = 0; i < count; ++i)
        script.create("m/" + std::to_string(i) + std::string(40 + i % 100, 'n'));
    for (unsigned i = 0; i < count; i += 2)
        script.unlink("m/" + std::to_string(i) + std::string(40 + i % 100, 'n'));
}

void report(const char *name, const Explorer &explorer, std::chrono::steady_clock::time_point begin) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%s: %lu images, %.0f a minute, %zu findings\n", name,
                static_cast<unsigned long>(explorer.image_count()),
                static_cast<double>(explorer.image_count()) / seconds.count() * 60, explorer.findings().size());
}

void expect_sound(const char *name, void (*script_of)(Script &)) {
    for (unsigned seed = 1; seed <= (is_thorough() ? 5u : 1u); ++seed) {
        const auto begin = std::chrono::steady_clock::now();
        Explorer explorer(effort(), Fault::none, seed);
        Script script(explorer);
        script_of(script);
        report(name, explorer, begin);
        for (const std::string &finding : explorer.findings())
            ADD_FAILURE() << "seed " << seed << ": " << finding;
    }
}

TEST(Crash, Names) {
    expect_sound("names", names);
}

TEST(Crash, Data) {
    expect_sound("data", data);
}

TEST(Crash, Attributes) {
    expect_sound("attributes", attributes);
}

TEST(Crash, ManyNames) {
    expect_sound("many names", [](Script &script) { many_names(script, is_thorough() ? 400 : 90); });
}

// A line that is stored to twice may reach the media as it was between the stores, until a
// flush of the second content is fenced.
TEST(Recorder, KeepsWhatALineHeldBetweenStores) {
    alignas(cache_line_bytes) std::byte memory[cache_line_bytes] = {};
    Recorder recorder(memory);
    auto store = [&](unsigned value) {
        const std::byte byte{static_cast<unsigned char>(value)};
        recorder.on_store(0, &byte, 1, false);
        memory[0] = byte;
    };
    store(1);
    store(2);
    ASSERT_EQ(recorder.pending().at(0).versions.size(), 1u);
    EXPECT_EQ(recorder.pending().at(0).versions[0][0], std::byte{1});
    recorder.on_flush(0, 1);
    store(3);
    recorder.on_fence(); // 2 is durable, 1 is gone; 3 was not flushed
    ASSERT_EQ(recorder.pending().at(0).versions.size(), 1u);
    EXPECT_EQ(recorder.pending().at(0).durable[0], std::byte{2});
    EXPECT_EQ(recorder.pending().at(0).versions[0][0], std::byte{2});
    recorder.on_flush(0, 1);
    recorder.on_fence();
    EXPECT_TRUE(recorder.pending().empty());
}

// The explorer must see what it is there for.
void expect_noticed(const char *name, Fault fault, void (*script_of)(Script &)) {
    const auto begin = std::chrono::steady_clock::now();
    Explorer explorer(Effort{4, 8, 1}, fault, 1);
    Script script(explorer);
    script_of(script);
    report(name, explorer, begin);
    EXPECT_FALSE(explorer.findings().empty());
}

TEST(SeededFault, RecordsThatAreNotFlushedAreNoticed) {
    expect_noticed("records not flushed", Fault::records_not_flushed, attributes);
}

TEST(SeededFault, HomesThatAreNotFlushedAreNoticed) {
    expect_noticed("homes not flushed", Fault::homes_not_flushed, names);
}

TEST(SeededFault, DataThatIsNotFencedIsNoticed) {
    expect_noticed("data not fenced", Fault::data_not_fenced, data);
}

} // namespace
} // namespace crash
