// Extended attributes: by path (followed or not), and by file.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/xattr_calls.h"

#include <cstring>

using namespace pmemfile;

namespace {

// Longer names need not be looked at: the engine says ERANGE.
std::string_view name_of(const char *name) {
    return {name, strnlen(name, xattr_name_max_bytes + 1)};
}

// `act(thread, handle)` on what the path leads to.
template <typename Act> long on_path(PMEMfilepool *pool, const char *path, bool follow_last, Act act) {
    return api::serve(pool, [&](Thread &thread) -> decltype(act(thread, InodeHandle{})) {
        BASE_TRY_ASSIGN(InodeHandle handle,
                        api::find(pool, thread, PMEMFILE_AT_CWD, path, follow_last ? 0 : AT_SYMLINK_NOFOLLOW));
        return act(thread, handle);
    });
}

// The same on an open file. An O_PATH file only tells where it is: EBADF.
template <typename Act> long on_file(PMEMfilepool *pool, PMEMfile *file, Act act) {
    return api::serve(pool, [&](Thread &thread) -> decltype(act(thread, InodeHandle{})) {
        BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, file->id));
        if ((description->flags.load() & O_PATH) != 0)
            return base::error(EBADF);
        return act(thread, file->inode);
    });
}

auto set_of(const char *name, const void *value, size_t size, int flags) {
    return [=](Thread &thread, InodeHandle handle) {
        return fs_setxattr(thread, handle, name_of(name), value, size, flags);
    };
}
auto get_of(const char *name, void *value, size_t size) {
    return [=](Thread &thread, InodeHandle handle) { return fs_getxattr(thread, handle, name_of(name), value, size); };
}
auto list_of(char *list, size_t size) {
    return [=](Thread &thread, InodeHandle handle) { return fs_listxattr(thread, handle, list, size); };
}
auto remove_of(const char *name) {
    return [=](Thread &thread, InodeHandle handle) { return fs_removexattr(thread, handle, name_of(name)); };
}

} // namespace

int pmemfile_setxattr(PMEMfilepool *pool, const char *path, const char *name, const void *value, size_t size,
                      int flags) {
    return static_cast<int>(on_path(pool, path, true, set_of(name, value, size, flags)));
}
int pmemfile_lsetxattr(PMEMfilepool *pool, const char *path, const char *name, const void *value, size_t size,
                       int flags) {
    return static_cast<int>(on_path(pool, path, false, set_of(name, value, size, flags)));
}
int pmemfile_fsetxattr(PMEMfilepool *pool, PMEMfile *file, const char *name, const void *value, size_t size,
                       int flags) {
    return static_cast<int>(on_file(pool, file, set_of(name, value, size, flags)));
}

pmemfile_ssize_t pmemfile_getxattr(PMEMfilepool *pool, const char *path, const char *name, void *value, size_t size) {
    return on_path(pool, path, true, get_of(name, value, size));
}
pmemfile_ssize_t pmemfile_lgetxattr(PMEMfilepool *pool, const char *path, const char *name, void *value, size_t size) {
    return on_path(pool, path, false, get_of(name, value, size));
}
pmemfile_ssize_t pmemfile_fgetxattr(PMEMfilepool *pool, PMEMfile *file, const char *name, void *value, size_t size) {
    return on_file(pool, file, get_of(name, value, size));
}

pmemfile_ssize_t pmemfile_listxattr(PMEMfilepool *pool, const char *path, char *list, size_t size) {
    return on_path(pool, path, true, list_of(list, size));
}
pmemfile_ssize_t pmemfile_llistxattr(PMEMfilepool *pool, const char *path, char *list, size_t size) {
    return on_path(pool, path, false, list_of(list, size));
}
pmemfile_ssize_t pmemfile_flistxattr(PMEMfilepool *pool, PMEMfile *file, char *list, size_t size) {
    return on_file(pool, file, list_of(list, size));
}

int pmemfile_removexattr(PMEMfilepool *pool, const char *path, const char *name) {
    return static_cast<int>(on_path(pool, path, true, remove_of(name)));
}
int pmemfile_lremovexattr(PMEMfilepool *pool, const char *path, const char *name) {
    return static_cast<int>(on_path(pool, path, false, remove_of(name)));
}
int pmemfile_fremovexattr(PMEMfilepool *pool, PMEMfile *file, const char *name) {
    return static_cast<int>(on_file(pool, file, remove_of(name)));
}
