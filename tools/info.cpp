// pmemfile info: what the superblock and the bitmaps tell, without attaching.
// While the pool is in use the figures are those of one instant.
#include "tools/commands.h"
#include "tools/pool_image.h"

#include <nlohmann/json.hpp>

#include <bit>
#include <cstring>
#include <ctime>
#include <memory>

namespace tools {

namespace {

std::string uuid_text(const uint8_t (&uuid)[16]) {
    std::string text;
    for (unsigned i = 0; i < 16; ++i) {
        text += fmt::format("{:02x}", uuid[i]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            text += '-';
    }
    return text;
}

// Blocks in use by the groups' bitmaps; false when the group table does not lie in the pool.
bool count_used(const PoolImage &image, uint64_t *used, uint64_t *total) {
    const auto &sb = image.superblock();
    uint64_t limit = image.size_bytes() / pmemfile::block_size_bytes;
    if (sb.group_table_block >= limit || sb.group_table_blocks > limit - sb.group_table_block ||
        sb.group_count > sb.group_table_blocks * (pmemfile::block_size_bytes / sizeof(pmemfile::GroupDescriptor)))
        return false;
    const auto *groups = reinterpret_cast<const pmemfile::GroupDescriptor *>(
        image.base() + sb.group_table_block * pmemfile::block_size_bytes);
    for (uint64_t g = 0; g < pmemfile::groups_in_use(sb); ++g) {
        uint64_t count = groups[g].block_count;
        if (count > pmemfile::max_blocks_per_group || groups[g].first_block >= limit)
            return false;
        const std::byte *bitmap = image.base() + groups[g].first_block * pmemfile::block_size_bytes;
        for (uint64_t first = 0; first < count; first += 64) {
            uint64_t word;
            std::memcpy(&word, bitmap + first / 8, sizeof(word));
            if (count - first < 64)
                word &= (uint64_t{1} << (count - first)) - 1;
            *used += static_cast<uint64_t>(std::popcount(word));
        }
        *total += count;
    }
    return true;
}

int info(const std::string &path, bool json) {
    PoolImage image;
    if (std::string wrong = image.open(path, ImageMode::look); !wrong.empty()) {
        complain("{} {}", path, wrong);
        return 1;
    }
    const auto &sb = image.superblock();
    uint64_t used = 0, total = 0;
    if (!count_used(image, &used, &total)) {
        complain("{} has a damaged group table; run `pmemfile fsck`", path);
        return 1;
    }
    std::string label(sb.label, strnlen(sb.label, sizeof(sb.label)));
    if (json) {
        nlohmann::json object = {{"label", label},
                                 {"uuid", uuid_text(sb.uuid)},
                                 {"format_version", sb.version},
                                 {"size_bytes", sb.pool_size_bytes},
                                 {"block_size_bytes", pmemfile::block_size_bytes},
                                 {"blocks_total", total},
                                 {"blocks_used", used},
                                 {"created_ns", sb.created_ns},
                                 {"watermark", sb.watermark},
                                 {"groups", pmemfile::groups_in_use(sb)},
                                 {"rings", sb.ring_count},
                                 {"ring_size_bytes", sb.ring_size_bytes},
                                 {"features",
                                  {{"compatible", sb.features.compatible},
                                   {"read_only_compatible", sb.features.read_only_compatible},
                                   {"incompatible", sb.features.incompatible}}},
                                 {"failed", (sb.state & pmemfile::superblock_state_failed) != 0},
                                 {"attached", image.attached()}};
        fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        return 0;
    }
    time_t created = sb.created_ns / 1000000000;
    char created_text[32] = "?";
    struct tm broken_down;
    if (gmtime_r(&created, &broken_down) != nullptr)
        strftime(created_text, sizeof(created_text), "%Y-%m-%d %H:%M:%S UTC", &broken_down);
    fmt::print("label          {}\n", label.empty() ? "(none)" : label);
    fmt::print("uuid           {}\n", uuid_text(sb.uuid));
    fmt::print("format         {}\n", sb.version);
    fmt::print("created        {}\n", created_text);
    fmt::print("size           {} bytes\n", sb.pool_size_bytes);
    if ((sb.features.incompatible & pmemfile::feature_growth) != 0)
        fmt::print("grows          to that size; {} bytes now\n", total * pmemfile::block_size_bytes);
    fmt::print("used           {} of {} blocks of {} bytes\n", used, total, pmemfile::block_size_bytes);
    fmt::print("features       compatible {:#x}, read-only compatible {:#x}, incompatible {:#x}\n",
               sb.features.compatible, sb.features.read_only_compatible, sb.features.incompatible);
    fmt::print("journal        {} rings of {} bytes, watermark {}\n", sb.ring_count, sb.ring_size_bytes, sb.watermark);
    fmt::print("attached       {}\n", image.attached() ? "yes" : "no");
    if (sb.state & pmemfile::superblock_state_failed)
        fmt::print("state          a write error was recorded, or a repair was cut; run `pmemfile fsck`\n");
    return 0;
}

} // namespace

void add_info(CLI::App &app, Action &action) {
    struct Options {
        std::string pool;
        bool json = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("info", "Tell a pool's label, size, use and state");
    command->add_option("POOL", options->pool, "The pool")->required();
    command->add_flag("--json", options->json, "Print one JSON object");
    command->callback([options, &action] { action = [options] { return info(options->pool, options->json); }; });
}

} // namespace tools
