// Attaches as any process does, so it works beside running programs; to a copy where
// the pool may only be read.
#include "tools/pool_session.h"

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/names/directory.h"
#include "libpmemfile/pool/container.h"
#include "tools/commands.h"
#include "tools/pool_image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace tools {

PoolSession::~PoolSession() {
    if (registered_)
        pmemfile::thread_release(*thread_);
    if (attached_)
        pmemfile::pool_detach(pool_);
}

bool PoolSession::attach(const std::string &path, Access access) {
    {
        // The look has clearer words for what is no pool.
        PoolImage look;
        if (std::string wrong = look.open(path, ImageMode::look); !wrong.empty()) {
            complain("{} {}", path, wrong);
            return false;
        }
    }
    pmemfile::AttachOptions options;
    options.container_describe = pmemfile::container_describe;
    pmemfile::ContainerMessage message;
    options.read_only = access == Access::read;
    base::Status attached = pmemfile::pool_attach(pool_, path.c_str(), options, &message);
    if (!attached.ok() && access == Access::read &&
        (attached.error().number() == EACCES || attached.error().number() == EROFS))
        attached = pmemfile::pool_attach_copy(pool_, path.c_str(), &message);
    if (!attached.ok()) {
        complain("cannot attach {}: {}", path,
                 message.text[0] != '\0' ? without_path(message.text, path) : std::strerror(attached.error().number()));
        return false;
    }
    attached_ = true;
    credentials_.uid = credentials_.suid = getuid();
    credentials_.euid = credentials_.fsuid = geteuid();
    credentials_.gid = credentials_.sgid = getgid();
    credentials_.egid = credentials_.fsgid = getegid();
    int groups = getgroups(pmemfile::max_groups_of_user, credentials_.groups);
    credentials_.group_count = groups > 0 ? static_cast<unsigned>(groups) : 0;
    // root without its capabilities is rare enough for a tool that only reads.
    if (credentials_.euid == 0)
        credentials_.capabilities = pmemfile::capability_dac_override | pmemfile::capability_dac_read_search;
    thread_ = std::make_unique<pmemfile::Thread>();
    thread_->credentials = &credentials_;
    base::Status registered = pmemfile::thread_register(*thread_, pool_);
    if (!registered.ok()) {
        complain("cannot attach {}: {}", path, std::strerror(registered.error().number()));
        return false;
    }
    registered_ = true;
    return true;
}

base::Result<pmemfile::InodeNumber> PoolSession::resolve(std::string_view path, bool follow_last) {
    // Not mounted anywhere: the root is its own parent and absolute links begin at it.
    BASE_TRY_ASSIGN(auto result, pmemfile::walk(*thread_, pool_.superblock().root_inode, path,
                                                follow_last ? pmemfile::walk_follow_last : 0u));
    return result.inode;
}

base::Result<pmemfile::Attributes> PoolSession::attributes(pmemfile::InodeNumber inode) {
    return pmemfile::fs_attributes(*thread_, inode);
}

base::Result<std::string> PoolSession::symlink_target(pmemfile::InodeNumber inode) {
    char buffer[pmemfile::path_max_bytes];
    BASE_TRY_ASSIGN(size_t length, pmemfile::fs_readlink(*thread_, inode, buffer, sizeof(buffer)));
    return std::string(buffer, length);
}

base::Status PoolSession::list(pmemfile::InodeNumber directory, std::vector<ListedName> *names) {
    auto emit = [](void *context, std::string_view name, pmemfile::InodeNumber inode, uint8_t, uint64_t, bool) {
        if (name != "." && name != "..")
            static_cast<std::vector<ListedName> *>(context)->push_back({std::string(name), inode});
        return true;
    };
    BASE_TRY(pmemfile::directory_read(*thread_, directory, 0, emit, names));
    std::sort(names->begin(), names->end(), [](const auto &a, const auto &b) { return a.name < b.name; });
    return {};
}

base::Status PoolSession::copy_to_stdout(pmemfile::InodeNumber inode) {
    BASE_TRY_ASSIGN(auto attributes, pmemfile::fs_attributes(*thread_, inode));
    if (S_ISDIR(attributes.mode))
        return base::error(EISDIR);
    if (!S_ISREG(attributes.mode))
        return base::error(EINVAL);
    BASE_TRY(pmemfile::fs_access(*thread_, inode, R_OK, false));
    std::vector<char> buffer(256 * 1024);
    for (uint64_t offset = 0;;) {
        struct iovec vector = {buffer.data(), buffer.size()};
        BASE_TRY_ASSIGN(size_t length, pmemfile::data_read(*thread_, inode, offset, {&vector, 1}));
        if (length == 0)
            break;
        if (fwrite(buffer.data(), 1, length, stdout) != length)
            return base::error(errno);
        offset += length;
    }
    return fflush(stdout) == 0 ? base::Status{} : base::Status{base::error(errno)};
}

std::pair<std::string, std::string> split_pool_path(const std::string &argument) {
    struct stat status;
    if (stat(argument.c_str(), &status) == 0)
        return {argument, "/"};
    for (size_t colon = argument.rfind(':'); colon != std::string::npos && colon > 0;
         colon = argument.rfind(':', colon - 1))
        if (stat(argument.substr(0, colon).c_str(), &status) == 0) {
            std::string path = argument.substr(colon + 1);
            return {argument.substr(0, colon), path.empty() ? "/" : path};
        }
    size_t colon = argument.find(':');
    if (colon == std::string::npos)
        return {argument, "/"};
    return {argument.substr(0, colon), argument.substr(colon + 1)};
}

} // namespace tools
