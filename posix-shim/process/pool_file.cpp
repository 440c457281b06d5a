#include "posix-shim/process/pool_file.h"

#include "posix-shim/calls/path_call.h"
#include "posix-shim/paths/root_path.h"
#include "posix-shim/paths/route.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

Result<PoolFile> pool_file_find(ThreadContext &context, std::string_view path) {
    if (path.size() >= path_max_bytes)
        return error(ENAMETOOLONG);
    std::memcpy(context.path[0], path.data(), path.size());
    context.path[0][path.size()] = 0;
    BASE_TRY_ASSIGN(const Route route, route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::quick, Last::follow));
    if (route.where != Where::pool)
        return error(EXDEV);
    PoolFile file;
    file.mount = route.mount;
    BASE_TRY_ASSIGN(file.thread, context_thread(context, route.mount));
    BASE_TRY_ASSIGN(file.inode, inode_of_route(*file.thread, route, true));
    return file;
}

Result<PoolFile> pool_file_find_in(ThreadContext &context, std::string_view directory, std::string_view name,
                                   char *inside) {
    if (name.empty() || name.size() > name_max_bytes)
        return error(ENOENT);
    BASE_TRY_ASSIGN(const PoolFile place, pool_file_find(context, directory));
    BASE_TRY_ASSIGN(const size_t length, directory_path_from_root(context, place.mount, place.inode.number, inside,
                                                                  path_max_bytes - name_max_bytes - 2));
    const size_t directory_bytes = length == 1 ? 0 : length; // the root is "/"
    if (mounts[place.mount].path().size() + directory_bytes + name.size() + 2 > path_max_bytes)
        return error(ENAMETOOLONG);
    inside[directory_bytes] = '/';
    std::memcpy(inside + directory_bytes + 1, name.data(), name.size());
    inside[directory_bytes + 1 + name.size()] = 0;
    PoolFile file = place;
    file.directory_bytes = directory_bytes;
    file.inside_bytes = directory_bytes + 1 + name.size();
    std::memcpy(context.path[0], name.data(), name.size());
    Route route;
    route.where = Where::pool;
    route.mount = place.mount;
    route.start = place.inode.number;
    route.path = {context.path[0], name.size()};
    BASE_TRY_ASSIGN(file.inode, inode_of_route(*file.thread, route, true));
    return file;
}

void split_path(std::string_view path, std::string_view *directory, std::string_view *name) {
    const size_t slash = path.rfind('/');
    *name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    *directory = slash == std::string_view::npos ? std::string_view(".") : path.substr(0, slash == 0 ? 1 : slash);
}

} // namespace shim
