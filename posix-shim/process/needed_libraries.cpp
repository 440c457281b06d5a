// A list of objects that grows while it is gone through: the program first, then what it needs
// and lies in a pool, then what those need.
#include "posix-shim/process/needed_libraries.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/paths/root_path.h"
#include "posix-shim/paths/route.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/process/elf_file.h"
#include "posix-shim/process/pool_file.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/shadow.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr unsigned max_objects = 256;
constexpr size_t name_bytes = 256;
// Where a loader looks that is told nothing, and what its cache usually knows beside that.
constexpr std::string_view default_directories =
    "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/lib:"
    "/usr/lib:/usr/local/lib/x86_64-linux-gnu:/usr/local/lib";
constexpr size_t search_path_bytes = 2048; // of one RPATH or RUNPATH

struct Object {
    ElfSource source;
    size_t origin_length = 0; // of its directory, as a program sees it; 0: not known
    char origin[path_max_bytes];
};

// Mapped for one exec; zeroed.
struct Search {
    Object objects[max_objects];
    unsigned object_count;
    ElfFile file;
    char rpath[search_path_bytes];
    char runpath[search_path_bytes];
    char name[name_bytes];
    char expanded[path_max_bytes];
    char candidate[path_max_bytes];
    char inside[path_max_bytes];
    char copy[path_max_bytes];
    char interpreter_name[name_bytes];
    char missing[name_bytes]; // a library that is not there
    char *to;                 // the new value so far
    size_t to_length;
};

// A directory that holds copies goes in front of LD_LIBRARY_PATH, once.
void add_directory(Search &search, std::string_view directory) {
    std::string_view known(search.to, search.to_length);
    while (!known.empty()) {
        const std::string_view entry = known.substr(0, known.find(':'));
        known.remove_prefix(entry.size() < known.size() ? entry.size() + 1 : entry.size());
        if (entry == directory)
            return;
    }
    if (search.to_length + directory.size() + 2 > library_path_bytes)
        return;
    if (search.to_length > 0)
        search.to[search.to_length++] = ':';
    std::memcpy(search.to + search.to_length, directory.data(), directory.size());
    search.to_length += directory.size();
    search.to[search.to_length] = 0;
}

bool append(char *to, size_t &length, std::string_view text) {
    if (length + text.size() + 1 > path_max_bytes)
        return false;
    std::memcpy(to + length, text.data(), text.size());
    length += text.size();
    to[length] = 0;
    return true;
}

// One entry of a search path with the loader's words in place. False: too long, or a word we do not know.
bool expand(const Object &object, std::string_view entry, char *to, size_t &length) {
    length = 0;
    while (!entry.empty()) {
        const size_t dollar = entry.find('$');
        if (!append(to, length, entry.substr(0, dollar)))
            return false;
        if (dollar == std::string_view::npos)
            return true;
        entry.remove_prefix(dollar);
        std::string_view value;
        size_t used = 0;
        for (const auto &[word, meaning] :
             {std::pair<std::string_view, std::string_view>{"ORIGIN", {object.origin, object.origin_length}},
              {"LIB", "lib/x86_64-linux-gnu"},
              {"PLATFORM", "x86_64"}}) {
            if (entry.substr(1).starts_with(word))
                used = 1 + word.size();
            else if (entry.substr(1).starts_with('{') && entry.substr(2).starts_with(word) &&
                     entry.substr(2 + word.size()).starts_with('}'))
                used = 3 + word.size();
            else
                continue;
            value = meaning;
            break;
        }
        if (used == 0 || value.empty() || !append(to, length, value))
            return false;
        entry.remove_prefix(used);
    }
    return true;
}

enum class Found : uint8_t { no, on_host, in_pool };

// Is the library `name` in `directory`? One in a pool is copied and becomes an object. With `is_search` the loader
// will look for it: the copies' directory becomes one of those it looks in.
Found look_in(ThreadContext &context, Search &search, std::string_view directory, std::string_view name,
              bool is_search) {
    if (is_search) {
        const Result<PoolFile> place = pool_file_find(context, directory);
        if (!place.ok()) {
            size_t length = 0;
            if (place.error().number() != EXDEV || root_directory().mount >= 0 ||
                !append(search.candidate, length, directory) || !append(search.candidate, length, "/") ||
                !append(search.candidate, length, name))
                return Found::no;
            const long access = base::raw_syscall(SYS_access, base::as_long(search.candidate), R_OK);
            return base::is_error(access) ? Found::no : Found::on_host;
        }
        const Result<size_t> inside = directory_path_from_root(context, place->mount, place->inode.number,
                                                               search.inside, sizeof search.inside - name_bytes - 1);
        if (!inside.ok())
            return Found::no;
        // Always: the loader forgets a directory that was not there when it began, also for dlopen.
        const Result<size_t> copies = shadow_directory(place->mount, {search.inside, *inside}, search.copy);
        if (copies.ok())
            add_directory(search, {search.copy, *copies});
    }
    const Result<PoolFile> found = pool_file_find_in(context, directory, name, search.inside);
    if (!found.ok())
        return Found::no;
    const Result<Attributes> attributes = fs_attributes(*found->thread, found->inode);
    if (!attributes.ok() || !S_ISREG(attributes->mode))
        return Found::no;
    const Result<size_t> copied = shadow_copy(context, *found->thread, found->mount, found->inode,
                                              {search.inside, found->inside_bytes}, search.copy);
    if (!copied.ok())
        return Found::no;
    for (unsigned i = 0; i < search.object_count; i++)
        if (search.objects[i].source.thread == found->thread && search.objects[i].source.inode == found->inode.number)
            return Found::in_pool;
    if (search.object_count == max_objects)
        return Found::in_pool;
    Object &object = search.objects[search.object_count++];
    object.source = {found->thread, found->inode.number, -1};
    object.origin_length = 0;
    append(object.origin, object.origin_length, path_before(found->mount));
    append(object.origin, object.origin_length, {search.inside, found->directory_bytes});
    return Found::in_pool;
}

// A file that is named by its path.
Found look_for(ThreadContext &context, Search &search, std::string_view path) {
    std::string_view directory;
    std::string_view name;
    split_path(path, &directory, &name);
    return look_in(context, search, directory, name, false);
}

Found look_along(ThreadContext &context, Search &search, const Object &object, std::string_view search_path,
                 std::string_view name) {
    while (!search_path.empty()) {
        const std::string_view entry = search_path.substr(0, search_path.find_first_of(":;"));
        search_path.remove_prefix(entry.size() < search_path.size() ? entry.size() + 1 : entry.size());
        size_t length = 0;
        if (entry.empty() || !expand(object, entry, search.expanded, length))
            continue;
        if (const Found found = look_in(context, search, {search.expanded, length}, name, true); found != Found::no)
            return found;
    }
    return Found::no;
}

// As the loader looks for the library `name` that `object` wants; RPATH and RUNPATH have been read.
Found look_for_library(ThreadContext &context, Search &search, const Object &object, std::string_view library_path,
                       std::string_view name) {
    const std::string_view runpath = search.runpath;
    if (runpath.empty())
        if (const Found found = look_along(context, search, object, search.rpath, name); found != Found::no)
            return found;
    for (const std::string_view directories : {library_path, runpath})
        if (const Found found = look_along(context, search, object, directories, name); found != Found::no)
            return found;
    // Else those are the host's, which the loader knows.
    return root_directory().mount >= 0 ? look_along(context, search, object, default_directories, name) : Found::no;
}

bool read_search_paths(Search &search, const Object &object) {
    search.rpath[0] = search.runpath[0] = 0;
    if (!elf_read(search.file, object.source))
        return false;
    for (size_t i = 0; i < search.file.entry_count; i++) {
        const Elf64_Dyn &entry = search.file.entries[i];
        if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH)
            elf_string(search.file, entry, entry.d_tag == DT_RPATH ? search.rpath : search.runpath, search_path_bytes);
    }
    return true;
}

void look_at(ThreadContext &context, Search &search, const Object &object, std::string_view library_path) {
    if (!read_search_paths(search, object))
        return;
    for (size_t i = 0; i < search.file.entry_count; i++) {
        const Elf64_Dyn &entry = search.file.entries[i];
        if (entry.d_tag != DT_NEEDED || !elf_string(search.file, entry, search.name, name_bytes))
            continue;
        const std::string_view name = search.name;
        size_t length = 0;
        if (name.empty())
            continue;
        Found found = Found::no;
        if (name.find('/') == std::string_view::npos)
            found = look_for_library(context, search, object, library_path, name);
        else if (object.source.thread != nullptr && expand(object, name, search.expanded, length))
            found = look_for(context, search, {search.expanded, length});
        // The loader would take the host's.
        if (found == Found::no && root_directory().mount >= 0 && name != search.interpreter_name &&
            search.missing[0] == 0)
            std::memcpy(search.missing, search.name, sizeof search.missing);
    }
}

void look_at_interpreter(ThreadContext &context, Search &search, const Object &object) {
    if (!elf_read(search.file, object.source) || !elf_interpreter(search.file, search.expanded))
        return;
    std::string_view directory;
    std::string_view name;
    split_path(search.expanded, &directory, &name);
    if (name.size() < sizeof search.interpreter_name)
        std::memcpy(search.interpreter_name, name.data(), name.size());
    look_for(context, search, search.expanded);
}

// The libraries of LD_PRELOAD, and its new value.
void look_at_preloaded(ThreadContext &context, Search &search, const LoaderPaths &paths, PathChanges &changes) {
    read_search_paths(search, search.objects[0]);
    size_t length = 0;
    for (std::string_view rest = paths.preload; !rest.empty();) {
        const std::string_view entry = rest.substr(0, rest.find_first_of(": "));
        rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
        std::string_view value = entry;
        Found found = Found::on_host;
        if (entry.find('/') == std::string_view::npos)
            found = look_for_library(context, search, search.objects[0], paths.library_path, entry);
        else if (entry != preload_path && (found = look_for(context, search, entry)) == Found::in_pool)
            value = search.copy;
        if (found == Found::no && root_directory().mount >= 0)
            value = {}; // the loader would take the host's
        if (value != entry)
            changes.has_preload = true;
        if (value.empty())
            continue;
        if (length + value.size() + 2 > sizeof changes.preload) {
            changes.has_preload = false;
            return;
        }
        if (length > 0)
            changes.preload[length++] = ':';
        std::memcpy(changes.preload + length, value.data(), value.size());
        length += value.size();
        changes.preload[length] = 0;
    }
}

enum class List : uint8_t { directories, libraries };

// Does a list of the environment lead into a pool at all? The name of a library alone does not.
bool leads_into_pool(std::string_view search_path, List kind) {
    const char *separators = kind == List::directories ? ":;" : ": ";
    while (!search_path.empty()) {
        const std::string_view entry = search_path.substr(0, search_path.find_first_of(separators));
        search_path.remove_prefix(entry.size() < search_path.size() ? entry.size() + 1 : entry.size());
        std::string_view rest;
        if (!entry.empty() && entry != preload_path &&
            (entry[0] != '/' || root_directory().mount >= 0 || mount_of(entry, &rest) >= 0) &&
            (kind == List::directories || entry.find('/') != std::string_view::npos))
            return true;
    }
    return false;
}

} // namespace

Status copy_needed_libraries(ThreadContext &context, const Program &program, std::string_view inside,
                             const LoaderPaths &paths, PathChanges &changes) {
    const std::string_view library_path = paths.library_path;
    changes.has_library_path = changes.has_preload = false;
    if (program.thread == nullptr && !leads_into_pool(library_path, List::directories) &&
        !leads_into_pool(paths.preload, List::libraries))
        return {};
    const long memory = base::raw_syscall(SYS_mmap, 0, sizeof(Search), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base::is_error(memory))
        return {};
    auto &search = *reinterpret_cast<Search *>(memory);
    search.to = changes.library_path;
    search.object_count = 1;
    Object &first = search.objects[0];
    if (program.thread != nullptr) {
        first.source = {program.thread, program.inode, -1};
        append(first.origin, first.origin_length, path_before(program.mount));
        append(first.origin, first.origin_length, inside.substr(0, inside.rfind('/')));
        look_at_interpreter(context, search, first);
    } else {
        first.source.descriptor =
            program.path[0] == 0
                ? program.dirfd
                : base::raw_syscall(SYS_openat, program.dirfd, base::as_long(program.path), O_RDONLY | O_CLOEXEC);
    }
    if (leads_into_pool(paths.preload, List::libraries) || leads_into_pool(library_path, List::directories))
        look_at_preloaded(context, search, paths, changes);
    for (unsigned i = 0; i < search.object_count; i++)
        look_at(context, search, search.objects[i], library_path);
    if (program.thread == nullptr && program.path[0] != 0 && first.source.descriptor >= 0)
        base::raw_syscall(SYS_close, first.source.descriptor);
    const size_t length = search.to_length;
    const bool is_whole = search.missing[0] == 0;
    if (!is_whole)
        base::LogLine("exec").text(inside).text(": there is no ").text(search.missing).text(" below the root").write();
    base::raw_syscall(SYS_munmap, memory, sizeof(Search));
    if (!is_whole)
        return error(ENOENT);
    if (length == 0 || length + library_path.size() + 2 > library_path_bytes)
        return {};
    changes.has_library_path = true;
    char *to = changes.library_path;
    to[length] = library_path.empty() ? '\0' : ':';
    if (!library_path.empty()) {
        std::memcpy(to + length + 1, library_path.data(), library_path.size());
        to[length + 1 + library_path.size()] = 0;
    }
    return {};
}

bool library_path_restore(char *value) {
    std::string_view rest = value;
    while (is_shadow_path(rest.substr(0, rest.find(':'))))
        rest.remove_prefix(std::min(rest.find(':'), rest.size() - 1) + 1);
    std::memmove(value, rest.data(), rest.size());
    value[rest.size()] = 0;
    return rest.empty();
}

} // namespace shim
