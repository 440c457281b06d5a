// counters: what one call costs the media: fences, flushed lines, bytes. Exact, the
// same on every machine, with flushes forced whatever the pool lies on.
//
//   bench/counters [--json] [--check] [--baseline FILE] [--count N]
//
// Under callgrind it also tells the instructions, one dump for each call
// (bench/instructions reads them).
//
// Each call is made N times (at least 1,000) in a row; nothing else runs in between, so
// the averages hold the watermark's share and everything else that rides along.
//
// The clock is the program's own: a line of the inode that holds a time is flushed only where the time has changed, and
// how many calls fall into one tick (4 ms) of Linux's clock is the machine's mood: up to 30 % of a chown's lines, 10 %
// of a rename's. With this one every run counts the same to the last byte.
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/transaction.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <valgrind/callgrind.h>

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <time.h>
#include <unistd.h>
#include <vector>

// In place of libc's, for the engine too, which is linked into this program. A tick of 4 ms at every thousandth look.
extern "C" int clock_gettime(clockid_t, struct timespec *time) noexcept {
    static long looks = 0;
    const long ticks = looks++ / 1000;
    *time = {1700000000 + ticks / 250, ticks % 250 * 4000000};
    return 0;
}

namespace {

using namespace pmemfile;

struct Average {
    std::string call;
    double fences, flushed_lines, bytes_to_media;
    double fence_bound; // promised
};

[[noreturn]] void give_up(const std::string &what, int number) {
    fmt::print(stderr, "counters: {}: {}\n", what, std::strerror(number));
    std::exit(2);
}

template <typename T> T must(base::Result<T> result, const char *what) {
    if (!result.ok())
        give_up(what, result.error().number());
    return *result;
}
void must(base::Status status, const char *what) {
    if (!status.ok())
        give_up(what, status.error().number());
}

class Measurement {
public:
    Measurement(unsigned count, Thread &thread, InodeNumber root) : count_(count), thread_(thread), root_(root) {}
    std::vector<Average> run();

private:
    At at(const std::string &path) const {
        return {root_, path, 0};
    }
    // Makes call(i) for i in [0, count) and averages what it cost.
    void measure(const std::string &name, double fence_bound, const std::function<void(unsigned)> &call) {
        const PersistCounters before = Persist::counters();
        CALLGRIND_ZERO_STATS;
        for (unsigned i = 0; i < count_; ++i)
            call(i);
        CALLGRIND_DUMP_STATS_AT(name.c_str());
        const PersistCounters after = Persist::counters();
        averages_.push_back({name, static_cast<double>(after.fences - before.fences) / count_,
                             static_cast<double>(after.flushed_lines - before.flushed_lines) / count_,
                             static_cast<double>(after.bytes_to_media - before.bytes_to_media) / count_, fence_bound});
    }
    OpenFileId open(const std::string &path, int flags) {
        name_ = path;
        return must(fs_open(thread_, at(name_), flags, 0644), "open");
    }
    void write_at(OpenFileId id, uint64_t offset_bytes, size_t size_bytes) {
        struct iovec vector = {buffer_, size_bytes};
        if (must(fs_pwrite(thread_, id, {&vector, 1}, static_cast<int64_t>(offset_bytes), UINT64_MAX), "write") !=
            size_bytes)
            give_up("write", ENOSPC);
    }
    void append(OpenFileId id, size_t size_bytes) {
        struct iovec vector = {buffer_, size_bytes};
        if (must(fs_write(thread_, id, {&vector, 1}, UINT64_MAX), "append") != size_bytes)
            give_up("append", ENOSPC);
    }
    void names();
    void data();
    void reads();

    unsigned count_;
    Thread &thread_;
    InodeNumber root_;
    std::string name_;
    std::vector<Average> averages_;
    alignas(64) std::byte buffer_[8192] = {};
};

void Measurement::names() {
    must(fs_mkdir(thread_, at("d"), 0755), "mkdir");
    auto name = [&](const char *prefix, unsigned i) -> const std::string & {
        return name_ = prefix + std::to_string(i);
    };
    measure("create", 1,
            [&](unsigned i) { fs_close(thread_, open("d/f" + std::to_string(i), O_CREAT | O_EXCL | O_RDWR)); });
    measure("open", 0, [&](unsigned i) { fs_close(thread_, open("d/f" + std::to_string(i), O_RDWR)); });
    measure("link", 1, [&](unsigned i) {
        const InodeHandle file = must(walk(thread_, root_, name("d/f", i), 0), "walk").handle();
        must(fs_link(thread_, file, at(name("d/l", i))), "link");
    });
    measure("unlink_link", 1, [&](unsigned i) { must(fs_unlink(thread_, at(name("d/l", i))), "unlink"); });
    measure("chmod", 1, [&](unsigned i) {
        must(fs_chmod(thread_, must(walk(thread_, root_, name("d/f", i), 0), "walk").handle(), 0600), "chmod");
    });
    measure("chown", 1, [&](unsigned i) {
        must(fs_chown(thread_, must(walk(thread_, root_, name("d/f", i), 0), "walk").handle(), 1, 1), "chown");
    });
    measure("utimens", 1, [&](unsigned i) {
        const struct timespec times[2] = {{i, 0}, {i, 0}};
        must(fs_utimens(thread_, must(walk(thread_, root_, name("d/f", i), 0), "walk").handle(), times), "utimens");
    });
    measure("rename", 1, [&](unsigned i) {
        const std::string to = "d/g" + std::to_string(i);
        must(fs_rename(thread_, at(name("d/f", i)), at(to), 0), "rename");
    });
    must(fs_mkdir(thread_, at("e"), 0755), "mkdir");
    measure("rename_across", 1, [&](unsigned i) {
        const std::string to = "e/g" + std::to_string(i);
        must(fs_rename(thread_, at(name("d/g", i)), at(to), 0), "rename");
    });
    measure("symlink", 1, [&](unsigned i) { must(fs_symlink(thread_, "target", at(name("d/s", i))), "symlink"); });
    measure("rename_over", 1, [&](unsigned i) {
        const std::string to = "e/g" + std::to_string(i);
        must(fs_rename(thread_, at(name("d/s", i)), at(to), 0), "rename");
    });
    measure("unlink", 1, [&](unsigned i) { must(fs_unlink(thread_, at(name("e/g", i))), "unlink"); });
    measure("mkdir", 1, [&](unsigned i) { must(fs_mkdir(thread_, at(name("d/d", i)), 0755), "mkdir"); });
    measure("rmdir", 1, [&](unsigned i) { must(fs_rmdir(thread_, at(name("d/d", i))), "rmdir"); });
}

void Measurement::data() {
    const OpenFileId file = open("file", O_CREAT | O_RDWR);
    for (uint64_t i = 0; i < 256; ++i)
        write_at(file, i * 4096, 4096);
    measure("overwrite_64", 1, [&](unsigned i) { write_at(file, i * 4160ull % (1 << 20) & ~63ull, 64); });
    measure("overwrite_4096", 2, [&](unsigned i) { write_at(file, i % 256 * 4096ull, 4096); });
    measure("transaction", 2, [&](unsigned i) { // two overwrites of 4 KiB and one of 64 B
        Transaction transaction;
        must(transaction.begin(thread_, orphan_collect), "begin");
        write_at(file, i % 128 * 8192ull, 4096);
        write_at(file, i % 128 * 8192ull + 4096, 4096);
        write_at(file, (i + 64) % 128 * 8192ull, 64);
        must(transaction.commit(thread_), "commit");
    });
    const OpenFileId small = open("small", O_CREAT | O_RDWR | O_APPEND);
    measure("append_64", 1, [&](unsigned) { append(small, 64); });
    const OpenFileId large = open("large", O_CREAT | O_RDWR | O_APPEND);
    measure("append_4096", 2, [&](unsigned) { append(large, 4096); });
    measure("truncate", 1, [&](unsigned i) {
        must(fs_ftruncate(thread_, large, static_cast<int64_t>(count_ - 1 - i) * 4096), "truncate");
    });
    measure("read_4096", 0, [&](unsigned i) {
        struct iovec vector = {buffer_, 4096};
        must(fs_pread(thread_, file, {&vector, 1}, i % 256 * 4096), "read");
    });
    for (OpenFileId id : {file, small, large})
        fs_close(thread_, id);
}

void Measurement::reads() {
    measure("stat", 0, [&](unsigned) {
        must(fs_attributes(thread_, must(walk(thread_, root_, "file", 0), "walk").handle()), "stat");
    });
    for (unsigned i = 0; i < 100; ++i)
        must(fs_mkdir(thread_, at(name_ = "e/n" + std::to_string(i)), 0755), "mkdir");
    const OpenFileId directory = open("e", O_RDONLY | O_DIRECTORY);
    measure("readdir", 0, [&](unsigned) {
        must(fs_seek(thread_, directory, 0, SEEK_SET), "seek");
        while (must(fs_getdents64(thread_, directory, buffer_, sizeof(buffer_)), "readdir") > 0)
            ;
    });
    fs_close(thread_, directory);
}

std::vector<Average> Measurement::run() {
    names();
    data();
    reads();
    return averages_;
}

std::vector<Average> measure_on(const std::string &path, unsigned count) {
    setenv("PMEM_IS_PMEM_FORCE", "1", 1); // real flushes also on tmpfs
    MkfsOptions options;
    options.size_bytes = 256ull << 20;
    options.journal_nonce = 1; // leaves split at the same names in each run
    ContainerMessage message;
    if (!mkfs(path.c_str(), options, &message).ok())
        give_up(message.text, EIO);
    auto pool = std::make_unique<Pool>();
    AttachOptions attach;
    attach.container_describe = container_describe;
    const base::Status attached = pool_attach(*pool, path.c_str(), attach, &message);
    unlink(path.c_str());
    if (!attached.ok())
        give_up(message.text, attached.error().number());
    auto thread = std::make_unique<Thread>();
    must(thread_register(*thread, *pool), "thread");
    std::vector<Average> averages = Measurement(count, *thread, pool->superblock().root_inode).run();
    thread_release(*thread);
    pool_detach(*pool);
    return averages;
}

nlohmann::ordered_json as_json(const std::vector<Average> &averages) {
    nlohmann::ordered_json object;
    for (const Average &average : averages)
        object[average.call] = {{"fences", average.fences},
                                {"flushed_lines", average.flushed_lines},
                                {"bytes_to_media", average.bytes_to_media}};
    return object;
}

bool keeps_promises(const std::vector<Average> &averages) {
    bool holds = true;
    for (const Average &average : averages)
        if (average.fences > average.fence_bound) {
            holds = false;
            fmt::print(stderr, "counters: {}: {} fences a call, promised are {}\n", average.call, average.fences,
                       average.fence_bound);
        }
    return holds;
}

// No counter may be above the one in `path`: whoever makes a call dearer changes that file and says why.
bool is_within(const nlohmann::ordered_json &now, const std::string &path) {
    std::ifstream file(path);
    const auto baseline = nlohmann::ordered_json::parse(file, nullptr, false);
    if (!baseline.is_object()) {
        fmt::print(stderr, "counters: {} is not a JSON object\n", path);
        return false;
    }
    bool holds = true;
    const auto complain = [&](const std::string &call, const std::string &what) {
        holds = false;
        fmt::print(stderr, "counters: {}: {}\n", call, what);
    };
    for (const auto &[call, counters] : now.items()) {
        if (!baseline.contains(call)) {
            complain(call, "is not in " + path);
            continue;
        }
        for (const auto &[counter, value] : counters.items()) {
            const double former = baseline[call].value(counter, 0.0);
            if (value.get<double>() > former * 1.0001) // all are exact; the decimals in the file are rounded
                complain(call, fmt::format("{} grew from {:.4f} to {:.4f}", counter, former, value.get<double>()));
        }
    }
    for (const auto &[call, counters] : baseline.items())
        if (!now.contains(call))
            complain(call, "is not measured any more");
    return holds;
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app("Fences, flushed lines and bytes to the media, per call");
    bool json = false;
    bool check = false;
    unsigned count = 4000;
    app.add_flag("--json", json, "print one JSON object");
    app.add_flag("--check", check, "fail if a call makes more fences than is promised");
    std::string baseline;
    app.add_option("--baseline", baseline, "fail if a counter is above the one in this file (--json writes one)");
    app.add_option("--count", count, "how often each call is made")->check(CLI::Range(1000, 20000));
    CLI11_PARSE(app, argc, argv);
    const std::vector<Average> averages = measure_on("/dev/shm/pmemfile-counters." + std::to_string(getpid()), count);
    const nlohmann::ordered_json object = as_json(averages);
    if (json)
        fmt::print("{}\n", object.dump(2));
    else
        for (const Average &average : averages)
            fmt::print("{:16} {:8.4f} fences {:9.2f} lines {:10.1f} bytes\n", average.call, average.fences,
                       average.flushed_lines, average.bytes_to_media);
    const bool holds = (!check || keeps_promises(averages)) && (baseline.empty() || is_within(object, baseline));
    return holds ? 0 : 1;
}
