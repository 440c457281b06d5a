// A list of objects that grows while it is gone through: the program first, then what it needs
// and lies in a pool, then what those need.
#include "posix-shim/process/needed_libraries.h"

#include "base/raw_syscall.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/paths/route.h"
#include "posix-shim/paths/shadow_path.h"
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
using namespace pmemfile;

namespace {

constexpr unsigned max_objects = 256;
constexpr unsigned max_program_headers = 24;
constexpr unsigned max_dynamic_entries = 256;
constexpr size_t name_bytes = 256;
constexpr size_t search_path_bytes = 2048; // of one RPATH or RUNPATH

struct Object {
    // In a pool, or (thread null) a descriptor of the host.
    Thread *thread = nullptr;
    unsigned mount = 0;
    InodeNumber inode = 0;
    long descriptor = -1;
    size_t origin_length = 0; // of its directory, as a program sees it; 0: not known
    char origin[path_max_bytes];
};

// Mapped for one exec; zeroed.
struct Search {
    Object objects[max_objects];
    unsigned object_count;
    Elf64_Phdr headers[max_program_headers];
    Elf64_Dyn entries[max_dynamic_entries];
    char rpath[search_path_bytes];
    char runpath[search_path_bytes];
    char name[name_bytes];
    char expanded[path_max_bytes];
    char candidate[path_max_bytes];
    char directory[path_max_bytes];
    char copy[path_max_bytes];
    char *to; // the new value so far
    size_t to_length;
};

bool read_at(const Object &object, uint64_t offset_bytes, void *to, size_t size_bytes, bool whole = true) {
    std::memset(to, 0, size_bytes);
    size_t got = 0;
    if (object.thread != nullptr) {
        const iovec vector = {to, size_bytes};
        const Result<size_t> read = data_read(*object.thread, object.inode, offset_bytes, {&vector, 1});
        got = read.ok() ? *read : 0;
    } else {
        const long read = base::raw_syscall(SYS_pread64, object.descriptor, base::as_long(to),
                                            static_cast<long>(size_bytes), static_cast<long>(offset_bytes));
        got = base::is_error(read) ? 0 : static_cast<size_t>(read);
    }
    return got == size_bytes || (!whole && got > 0);
}

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

Result<InodeHandle> walk_to(ThreadContext &context, std::string_view path, unsigned *mount, Thread **thread) {
    if (path.size() >= path_max_bytes)
        return error(ENAMETOOLONG);
    std::memcpy(context.path[0], path.data(), path.size());
    context.path[0][path.size()] = 0;
    BASE_TRY_ASSIGN(const Route route, route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::quick));
    if (route.where != Where::pool)
        return error(EXDEV);
    BASE_TRY_ASSIGN(*thread, context_thread(context, route.mount));
    *mount = route.mount;
    return inode_of_route(**thread, route, true);
}

// Is the library `name` in `directory`? One in a pool is copied and becomes an object.
Found look_in(ThreadContext &context, Search &search, std::string_view directory, std::string_view name) {
    unsigned mount = 0;
    Thread *thread = nullptr;
    const Result<InodeHandle> place = walk_to(context, directory, &mount, &thread);
    size_t length = 0;
    append(search.candidate, length, directory);
    append(search.candidate, length, "/");
    if (!append(search.candidate, length, name))
        return Found::no;
    if (!place.ok()) {
        if (place.error().number() != EXDEV)
            return Found::no;
        const long access = base::raw_syscall(SYS_access, base::as_long(search.candidate), R_OK);
        return base::is_error(access) ? Found::no : Found::on_host;
    }
    const Result<size_t> inside =
        directory_path(*thread, place->number, search.directory, sizeof search.directory - name_bytes - 1);
    if (!inside.ok())
        return Found::no;
    size_t inside_length = *inside == 1 ? 0 : *inside; // the root is "/"
    // Always: the loader forgets a directory that was not there when it began, also for dlopen.
    const Result<size_t> copies = shadow_directory(mount, {search.directory, inside_length}, search.copy);
    if (copies.ok())
        add_directory(search, {search.copy, *copies});
    const Result<InodeHandle> file = walk_to(context, {search.candidate, length}, &mount, &thread);
    if (!file.ok())
        return Found::no;
    const Result<Attributes> attributes = fs_attributes(*thread, *file);
    if (!attributes.ok() || !S_ISREG(attributes->mode))
        return Found::no;
    const size_t origin_length = inside_length;
    append(search.directory, inside_length, "/");
    if (!append(search.directory, inside_length, name) ||
        !shadow_copy(context, *thread, mount, *file, {search.directory, inside_length}, search.copy).ok())
        return Found::no;
    for (unsigned i = 0; i < search.object_count; i++)
        if (search.objects[i].thread == thread && search.objects[i].inode == file->number)
            return Found::in_pool;
    if (search.object_count == max_objects)
        return Found::in_pool;
    Object &object = search.objects[search.object_count++];
    object.thread = thread;
    object.mount = mount;
    object.inode = file->number;
    object.origin_length = 0;
    append(object.origin, object.origin_length, mounts[mount].path());
    append(object.origin, object.origin_length, {search.directory, origin_length});
    return Found::in_pool;
}

Found look_along(ThreadContext &context, Search &search, const Object &object, std::string_view search_path,
                 std::string_view name) {
    while (!search_path.empty()) {
        const std::string_view entry = search_path.substr(0, search_path.find_first_of(":;"));
        search_path.remove_prefix(entry.size() < search_path.size() ? entry.size() + 1 : entry.size());
        size_t length = 0;
        if (entry.empty() || !expand(object, entry, search.expanded, length))
            continue;
        if (const Found found = look_in(context, search, {search.expanded, length}, name); found != Found::no)
            return found;
    }
    return Found::no;
}

// Where in the file the byte at address `address` stands.
bool offset_of(const Search &search, unsigned header_count, uint64_t address, uint64_t *offset_bytes) {
    for (unsigned i = 0; i < header_count; i++) {
        const Elf64_Phdr &header = search.headers[i];
        if (header.p_type != PT_LOAD || address < header.p_vaddr || address - header.p_vaddr >= header.p_filesz)
            continue;
        *offset_bytes = header.p_offset + (address - header.p_vaddr);
        return true;
    }
    return false;
}

void look_at(ThreadContext &context, Search &search, const Object &object, std::string_view library_path) {
    Elf64_Ehdr file;
    if (!read_at(object, 0, &file, sizeof file) || std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_phnum == 0 || file.e_phnum > max_program_headers ||
        file.e_phentsize != sizeof(Elf64_Phdr) ||
        !read_at(object, file.e_phoff, search.headers, file.e_phnum * sizeof(Elf64_Phdr)))
        return;
    const Elf64_Phdr *dynamic = nullptr;
    for (unsigned i = 0; i < file.e_phnum; i++)
        if (search.headers[i].p_type == PT_DYNAMIC)
            dynamic = &search.headers[i];
    if (dynamic == nullptr)
        return;
    const size_t count = std::min<size_t>(dynamic->p_filesz / sizeof(Elf64_Dyn), max_dynamic_entries);
    if (!read_at(object, dynamic->p_offset, search.entries, count * sizeof(Elf64_Dyn)))
        return;
    uint64_t strings = 0;
    for (size_t i = 0; i < count && search.entries[i].d_tag != DT_NULL; i++)
        if (search.entries[i].d_tag == DT_STRTAB &&
            !offset_of(search, file.e_phnum, search.entries[i].d_un.d_ptr, &strings))
            return;
    search.rpath[0] = search.runpath[0] = 0;
    for (size_t i = 0; i < count && search.entries[i].d_tag != DT_NULL; i++) {
        const Elf64_Dyn &entry = search.entries[i];
        if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH)
            read_at(object, strings + entry.d_un.d_val, entry.d_tag == DT_RPATH ? search.rpath : search.runpath,
                    search_path_bytes - 1, false);
    }
    for (size_t i = 0; i < count && search.entries[i].d_tag != DT_NULL; i++) {
        if (search.entries[i].d_tag != DT_NEEDED ||
            !read_at(object, strings + search.entries[i].d_un.d_val, search.name, name_bytes - 1, false))
            continue;
        const std::string_view name = search.name;
        if (name.empty() || name.find('/') != std::string_view::npos)
            continue;
        const std::string_view runpath = search.runpath;
        if (runpath.empty() && look_along(context, search, object, search.rpath, name) != Found::no)
            continue;
        if (look_along(context, search, object, library_path, name) == Found::no)
            look_along(context, search, object, runpath, name);
    }
}

// Does a search path of the environment lead into a pool at all?
bool leads_into_pool(std::string_view search_path) {
    while (!search_path.empty()) {
        const std::string_view entry = search_path.substr(0, search_path.find_first_of(":;"));
        search_path.remove_prefix(entry.size() < search_path.size() ? entry.size() + 1 : entry.size());
        std::string_view rest;
        if (!entry.empty() && (entry[0] != '/' || mount_of(entry, &rest) >= 0))
            return true;
    }
    return false;
}

} // namespace

bool copy_needed_libraries(ThreadContext &context, const Program &program, std::string_view inside,
                           std::string_view library_path, char *to) {
    if (program.thread == nullptr && !leads_into_pool(library_path))
        return false;
    const long memory = base::raw_syscall(SYS_mmap, 0, sizeof(Search), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base::is_error(memory))
        return false;
    auto &search = *reinterpret_cast<Search *>(memory);
    search.to = to;
    search.object_count = 1;
    Object &first = search.objects[0];
    if (program.thread != nullptr) {
        first.thread = program.thread;
        first.mount = program.mount;
        first.inode = program.inode;
        append(first.origin, first.origin_length, mounts[program.mount].path());
        append(first.origin, first.origin_length, inside.substr(0, inside.rfind('/')));
    } else {
        first.descriptor = program.path[0] == 0 ? program.dirfd
                                                : base::raw_syscall(SYS_openat, program.dirfd,
                                                                    base::as_long(program.path), O_RDONLY | O_CLOEXEC);
    }
    for (unsigned i = 0; i < search.object_count; i++)
        look_at(context, search, search.objects[i], library_path);
    if (program.thread == nullptr && program.path[0] != 0 && first.descriptor >= 0)
        base::raw_syscall(SYS_close, first.descriptor);
    const size_t length = search.to_length;
    base::raw_syscall(SYS_munmap, memory, sizeof(Search));
    if (length == 0 || length + library_path.size() + 2 > library_path_bytes)
        return false;
    to[length] = library_path.empty() ? '\0' : ':';
    if (!library_path.empty()) {
        std::memcpy(to + length + 1, library_path.data(), library_path.size());
        to[length + 1 + library_path.size()] = 0;
    }
    return true;
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
