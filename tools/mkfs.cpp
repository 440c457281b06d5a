// pmemfile mkfs: a new filesystem in a new pool.
#include "libpmemfile/fs/mkfs.h"
#include "tools/commands.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace tools {

bool parse_size(const std::string &text, uint64_t *size_bytes) {
    static constexpr char suffixes[] = "KMGT";
    if (text.empty() || text[0] < '0' || text[0] > '9')
        return false;
    char *rest = nullptr;
    errno = 0;
    uint64_t value = std::strtoull(text.c_str(), &rest, 10);
    if (errno != 0)
        return false;
    if (*rest != '\0') {
        const char *suffix = std::strchr(suffixes, *rest & ~0x20);
        if (suffix == nullptr || rest[1] != '\0')
            return false;
        auto shift = static_cast<unsigned>(10 * (suffix - suffixes + 1));
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
    }
    *size_bytes = value;
    return true;
}

void add_mkfs(CLI::App &app, Action &action) {
    struct Options {
        std::string pool, size, max_size, label;
        bool force = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("mkfs", "Make a filesystem in a new pool");
    command
        ->add_option("POOL", options->pool,
                     "File to make (on a DAX filesystem, /dev/shm, or any other), or a device-dax")
        ->required();
    command->add_option("-s,--size", options->size, "Size: a number and K, M, G or T (powers of 1024); at least 16M");
    command->add_option("-m,--max-size", options->max_size,
                        "Size to which `pmemfile grow` can make it larger: the file is sparse");
    command->add_option("-L,--label", options->label, "Label, at most 63 bytes");
    command->add_flag("-f,--force", options->force, "Replace what is there; all that it holds is lost");
    command->callback([options, &action] {
        action = [options] {
            pmemfile::MkfsOptions mkfs_options;
            if (!options->size.empty() && !parse_size(options->size, &mkfs_options.size_bytes)) {
                complain("'{}' is not a size; write for example 64M or 2G", options->size);
                return 2;
            }
            if (!options->max_size.empty() && !parse_size(options->max_size, &mkfs_options.max_size_bytes)) {
                complain("'{}' is not a size; write for example 64M or 2G", options->max_size);
                return 2;
            }
            if (options->label.size() > 63) {
                complain("the label is {} bytes long; 63 is the most", options->label.size());
                return 2;
            }
            mkfs_options.replace = options->force;
            mkfs_options.label = options->label.c_str();
            mkfs_options.root_uid = geteuid();
            mkfs_options.root_gid = getegid();
            pmemfile::ContainerMessage message;
            base::Status made = pmemfile::mkfs(options->pool.c_str(), mkfs_options, &message);
            if (made.ok())
                return 0;
            const std::string text = message.text[0] != '\0' ? without_path(message.text, options->pool)
                                                             : std::strerror(made.error().number());
            complain("cannot make a pool at {}: {}", options->pool, text);
            return 1;
        };
    });
}

} // namespace tools
