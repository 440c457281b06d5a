// pmemfile grow: a pool becomes larger, whoever is using it.
#include "libpmemfile/fs/growth.h"
#include "tools/commands.h"
#include "tools/pool_session.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/statfs.h>

namespace tools {

namespace {

int grow(const std::string &pool, const std::string &size) {
    uint64_t size_bytes = 0;
    if (!parse_size(size, &size_bytes)) {
        complain("'{}' is not a size; write for example 64M or 2G", size);
        return 2;
    }
    PoolSession session;
    if (!session.attach(pool, PoolSession::Access::write))
        return 1;
    const base::Status grown = pmemfile::fs_grow(session.thread(), size_bytes);
    const uint64_t most_bytes = session.thread().pool->superblock().pool_size_bytes;
    if (!grown.ok()) {
        const int number = grown.error().number();
        complain("cannot make {} larger: {}", pool,
                 number == EOPNOTSUPP ? "it was made without `mkfs --max-size`"
                 : number == EFBIG    ? fmt::format("it can have {} bytes at most", most_bytes)
                                      : std::strerror(number));
        return 1;
    }
    struct statfs counts = {};
    pmemfile::fs_statfs(session.thread(), &counts);
    fmt::print("{}: {} blocks of {} bytes, {} of them free; {} bytes at most\n", pool, counts.f_blocks, counts.f_bsize,
               counts.f_bfree, most_bytes);
    return 0;
}

} // namespace

void add_grow(CLI::App &app, Action &action) {
    struct Options {
        std::string pool, size;
    };
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("grow", "Make a pool larger, also while it is used (mkfs --max-size)");
    command->add_option("POOL", options->pool, "The pool")->required();
    command->add_option("SIZE", options->size, "Its new size: a number and K, M, G or T (powers of 1024)")->required();
    command->callback([options, &action] { action = [options] { return grow(options->pool, options->size); }; });
}

} // namespace tools
