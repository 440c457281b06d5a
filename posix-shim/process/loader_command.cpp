#include "posix-shim/process/loader_command.h"

#include "base/user_copy.h"
#include "intercept/guest/valgrind.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/elf_file.h"
#include "posix-shim/process/image.h"
#include "posix-shim/process/pool_file.h"
#include "posix-shim/process/shadow.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>

namespace shim {

using base::Result;
using namespace pmemfile;

namespace {

// Those of glibc's options that take the next word.
constexpr std::string_view options_with_value[] = {"--library-path", "--inhibit-rpath",        "--audit",
                                                   "--preload",      "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask",
                                                   "--argv0"};

// The word at `index`, into `to` of path_max_bytes; empty: none that can be read.
std::string_view word_at(const char *const *argv, size_t index, char *to) {
    const Result<const char *> word = pointer_at(argv, index);
    if (!word.ok() || *word == nullptr)
        return {};
    const Result<size_t> length = copy_user_string(to, path_max_bytes, *word);
    return length.ok() ? std::string_view(to, *length) : std::string_view();
}

} // namespace

Loader loader_of(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (name == "ld.so" || (name.starts_with("ld-") && name.find(".so") != std::string_view::npos))
        return Loader::dynamic;
    return intercept::is_valgrind_tool(path) ? Loader::valgrind : Loader::none;
}

void loader_command_read(ThreadContext &context, const char *const *argv, Loader loader, LoaderCommand &command) {
    // None of Valgrind's options takes the next word, and --argv0 is not among them.
    const bool is_valgrind = loader == Loader::valgrind;
    command.has_name = is_valgrind;
    size_t at = 1;
    std::string_view word;
    while ((word = word_at(argv, at, command.name)).starts_with(is_valgrind ? "-" : "--")) {
        const bool has_value = std::ranges::find(options_with_value, word) != std::end(options_with_value);
        if (word == "--argv0")
            command.has_name = true;
        if (word == "--library-path") {
            if (word_at(argv, at + 1, command.library_path).empty())
                return;
            command.library_path_at = at + 1;
        }
        at += has_value ? 2 : 1;
    }
    if (word.find('/') == std::string_view::npos)
        return; // a library's name, to the loader
    command.program_at = at;
    command.is_there = true;
    std::string_view directory;
    std::string_view name;
    split_path(word, &directory, &name);
    const Result<PoolFile> found = pool_file_find_in(context, directory, name, command.inside);
    if (!found.ok()) {
        command.program.dirfd = AT_FDCWD;
        command.program.path = command.name;
        command.inside[0] = 0;
        return;
    }
    command.program.thread = found->thread;
    command.program.mount = found->mount;
    command.program.inode = found->inode.number;
    char magic[SELFMAG];
    if (!elf_bytes({found->thread, found->inode.number, -1}, 0, magic, sizeof magic) ||
        std::memcmp(magic, ELFMAG, SELFMAG) != 0)
        return; // the loader says what is wrong
    command.is_copied = shadow_copy(context, *found->thread, found->mount, found->inode,
                                    {command.inside, found->inside_bytes}, command.copy)
                            .ok();
}

} // namespace shim
