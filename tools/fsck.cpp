// pmemfile fsck: replays the journal, then checks and repairs.
//
// With -n all of that happens on a private copy-on-write mapping: recovery is
// part of what is checked, but the pool is not written to. Without -n the pool
// is held exclusively. libpmemobj's part is looked at last, in a copy.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/pool/container.h"
#include "libpmemfile/pool/container_check.h"
#include "tools/commands.h"
#include "tools/pool_image.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <memory>

namespace tools {

namespace {

// fsck(8)
constexpr int clean = 0, corrected = 1, left_uncorrected = 4, operational_error = 8;

struct FsckOptions {
    std::string pool;
    bool only_look = false;
    bool json = false;
};

// What libpmemobj keeps of its own. False when it could not be looked at.
bool check_container(const std::string &pool, const PoolImage &image, pmemfile::CheckReport &report) {
    const auto look = pmemfile::container_look(image.base(), image.size_bytes(), image.superblock_offset());
    if (!look.ok()) {
        complain("{} cannot be checked in libpmemobj's part: {}", pool, std::strerror(look.error().number()));
        return false;
    }
    if (look->is_damaged)
        report.problems.push_back({"container",
                                   std::string("libpmemobj's own part is damaged (") + look->text +
                                       "); no file is touched and pmemfile does not need it, but pmempool does, "
                                       "and it cannot be made again in place",
                                   false, false});
    return true;
}

int fsck(const FsckOptions &options) {
    auto fail = [&](const std::string &text) {
        complain("{} {}", options.pool, text);
        return operational_error;
    };
    pmemfile::Medium medium = pmemfile::Medium::volatile_memory; // a private copy needs no flush
    if (!options.only_look) {
        {
            // First a look, which has the clearer words for what is no pool at all. It ends before the next one maps
            // the pool: there may be room for it only once.
            PoolImage look;
            if (std::string wrong = look.open(options.pool, ImageMode::look); !wrong.empty())
                return fail(wrong);
            if (look.attached())
                return fail("is in use by another process");
        }
        pmemfile::ContainerMessage message;
        auto info = pmemfile::container_describe(options.pool.c_str(), &message);
        if (!info.ok())
            return fail(message.text[0] != '\0' ? without_path(message.text, options.pool)
                                                : std::strerror(info.error().number()));
        medium = info->medium;
    }
    PoolImage image;
    auto mode = options.only_look ? ImageMode::private_copy : ImageMode::exclusive;
    if (std::string wrong = image.open(options.pool, mode); !wrong.empty())
        return fail(wrong);

    pmemfile::Persist persist(image.base(), image.size_bytes(), medium);
    pmemfile::FsckReport result = pmemfile::fsck_pool(persist, image.superblock_offset(), !options.only_look);
    pmemfile::CheckReport &report = result.check;
    const bool looked_at_all = check_container(options.pool, image, report);
    size_t repaired = 0;
    for (const auto &problem : report.problems)
        repaired += problem.repaired;
    size_t left = report.problems.size() - repaired;
    int code = left > 0 ? left_uncorrected : repaired > 0 ? corrected : clean;
    if (!looked_at_all)
        code |= operational_error;

    if (options.json) {
        nlohmann::json problems = nlohmann::json::array();
        for (const auto &problem : report.problems)
            problems.push_back({{"structure", problem.structure},
                                {"text", problem.text},
                                {"repairable", problem.repairable},
                                {"repaired", problem.repaired}});
        nlohmann::json object = {{"pool", options.pool},
                                 {"exit_code", code},
                                 {"records_replayed", result.recovery.records_applied},
                                 {"inodes", report.inodes},
                                 {"directories", report.directories},
                                 {"files", report.files},
                                 {"symlinks", report.symlinks},
                                 {"orphans", report.orphans},
                                 {"blocks_total", report.blocks_total},
                                 {"blocks_used", report.blocks_used},
                                 {"blocks_leaked", report.blocks_leaked},
                                 {"blocks_shared", report.blocks_shared},
                                 {"problems", problems}};
        // Names in the text may be any bytes.
        fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        return code;
    }
    for (const auto &problem : report.problems)
        fmt::print("{}: {}{}\n", problem.structure, problem.text, problem.repaired ? " (repaired)" : "");
    fmt::print("{}: {} files, {} directories, {} symlinks, {} of {} blocks used; {}\n", options.pool, report.files,
               report.directories, report.symlinks, report.blocks_used, report.blocks_total,
               left > 0       ? fmt::format("{} problems left", left)
               : repaired > 0 ? fmt::format("{} problems repaired", repaired)
                              : "clean");
    return code;
}

} // namespace

void add_fsck(CLI::App &app, Action &action) {
    auto options = std::make_shared<FsckOptions>();
    CLI::App *command = app.add_subcommand("fsck", "Check a pool that nobody uses, and repair it");
    command->add_option("POOL", options->pool, "The pool")->required();
    command->add_flag("-n,--no-changes", options->only_look, "Only look: the pool is not written to");
    command->add_flag("--json", options->json, "Print one JSON object");
    command->footer("Exit code: 0 clean, 1 problems were repaired, 4 problems are left, 8 the check could not\n"
                    "be done, 16 usage error (as fsck(8)).");
    command->callback([options, &action] { action = [options] { return fsck(*options); }; });
}

} // namespace tools
