// Pools, and the places of threads in them.
//
//   thread_local ─► (pool, serial) ─► Thread ◄─ owned by the pool
//
// A thread's place is made at its first call and given back when the thread or the
// pool ends, whichever comes first; a registry of open pools tells which.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/mkfs.h"

#include <cstring>
#include <set>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace pmemfile::api {
namespace {

std::mutex registry_mutex;
std::set<uint64_t> open_serials; // under registry_mutex
uint64_t next_serial = 1;        // likewise
thread_local std::string last_message;

struct ThreadPlace {
    PMEMfilepool *pool;
    uint64_t serial;
    Thread *thread;
};

class ThreadPlaces {
public:
    ~ThreadPlaces() {
        const std::lock_guard lock(registry_mutex);
        for (const ThreadPlace &place : places_) {
            if (!open_serials.contains(place.serial))
                continue;
            thread_release(*place.thread);
            const std::lock_guard pool_lock(place.pool->mutex);
            place.pool->threads.erase(place.thread);
        }
    }
    Thread *find(const PMEMfilepool *pool) const {
        for (const ThreadPlace &place : places_)
            if (place.pool == pool && place.serial == pool->serial)
                return place.thread;
        return nullptr;
    }
    Thread *add(PMEMfilepool *pool) {
        auto thread = std::make_unique<Thread>();
        thread->credentials = &pool->credentials;
        if (base::Status registered = thread_register(*thread, pool->pool); !registered.ok()) {
            errno = registered.error().number();
            return nullptr;
        }
        Thread *place = thread.get();
        const std::lock_guard pool_lock(pool->mutex);
        pool->threads.emplace(place, std::move(thread));
        std::erase_if(places_, [](const ThreadPlace &old) { return !is_open(old.serial); });
        places_.push_back({pool, pool->serial, place});
        return place;
    }

private:
    static bool is_open(uint64_t serial) {
        const std::lock_guard lock(registry_mutex);
        return open_serials.contains(serial);
    }
    std::vector<ThreadPlace> places_;
};

thread_local ThreadPlaces places;

PMEMfilepool *open_pool(const char *path) {
    auto pool = std::make_unique<pmemfilepool>();
    AttachOptions options;
    options.container_open = container_open;
    ContainerMessage message;
    if (base::Status attached = pool_attach(pool->pool, path, options, &message); !attached.ok()) {
        last_message = message.text;
        errno = attached.error().number();
        return nullptr;
    }
    Credentials &who = pool->credentials;
    who.uid = who.suid = getuid();
    who.euid = who.fsuid = geteuid();
    who.gid = who.sgid = getgid();
    who.egid = who.fsgid = getegid();
    const int groups = getgroups(max_groups_of_user, who.groups);
    who.group_count = groups > 0 ? static_cast<unsigned>(groups) : 0;
    who.capabilities = who.euid == 0 ? ~0u : 0;
    who.umask = ::umask(0);
    ::umask(who.umask);
    rlimit limit = {};
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        pool->file_size_limit_bytes = limit.rlim_cur;
    pool->directory = pool->pool.superblock().root_inode;
    std::memcpy(&pool->device, pool->pool.superblock().uuid, sizeof(pool->device));
    const std::lock_guard lock(registry_mutex);
    pool->serial = next_serial++;
    open_serials.insert(pool->serial);
    return pool.release();
}

} // namespace

Thread *thread_of(PMEMfilepool *pool) {
    Thread *thread = places.find(pool);
    return thread != nullptr ? thread : places.add(pool);
}

int fail(int number) {
    errno = number;
    return -1;
}

base::Result<At> at_of(PMEMfilepool *pool, PMEMfile *dir, const char *path) {
    if (path == nullptr)
        return base::error(EFAULT);
    At at;
    at.path = path;
    if (at.path.starts_with('/')) {
        at.start = pool->pool.superblock().root_inode;
    } else if (dir == PMEMFILE_AT_CWD) {
        const std::lock_guard lock(pool->mutex);
        at.start = pool->directory;
    } else if (dir == nullptr) {
        return base::error(EFAULT);
    } else {
        at.start = dir->inode;
    }
    return at;
}

base::Result<InodeHandle> find(PMEMfilepool *pool, Thread &thread, PMEMfile *dir, const char *path, bool follow_last,
                               bool real_ids) {
    BASE_TRY_ASSIGN(At at, at_of(pool, dir, path));
    const unsigned flags = (follow_last ? unsigned{walk_follow_last} : 0u) | (real_ids ? unsigned{walk_real_ids} : 0u);
    BASE_TRY_ASSIGN(WalkResult found, walk(thread, at.start, at.path, flags));
    return found.handle();
}

} // namespace pmemfile::api

using namespace pmemfile;

PMEMfilepool *pmemfile_pool_create(const char *path, size_t poolsize, pmemfile_mode_t mode) {
    MkfsOptions options;
    options.size_bytes = poolsize;
    options.mode = mode;
    options.root_uid = geteuid();
    options.root_gid = getegid();
    ContainerMessage message;
    if (base::Status made = mkfs(path, options, &message); !made.ok()) {
        api::last_message = message.text;
        errno = made.error().number();
        return nullptr;
    }
    return api::open_pool(path);
}

PMEMfilepool *pmemfile_pool_open(const char *path) {
    return api::open_pool(path);
}

void pmemfile_pool_close(PMEMfilepool *pool) {
    if (pool == nullptr)
        return;
    if (pool->directory_holder != 0)
        if (Thread *thread = api::thread_of(pool))
            fs_close(*thread, pool->directory_holder, false);
    {
        const std::lock_guard lock(api::registry_mutex);
        api::open_serials.erase(pool->serial);
    }
    for (auto &[thread, owned] : pool->threads)
        thread_release(*thread);
    pool_detach(pool->pool);
    delete pool;
}

void pmemfile_pool_set_device(PMEMfilepool *pool, pmemfile_dev_t device) {
    pool->device = device;
}

const char *pmemfile_errormsg(void) {
    return api::last_message.c_str();
}

pmemfile_mode_t pmemfile_umask(PMEMfilepool *pool, pmemfile_mode_t mask) {
    const mode_t former = pool->credentials.umask;
    pool->credentials.umask = mask & 0777;
    return former;
}

int pmemfile_fchdir(PMEMfilepool *pool, PMEMfile *dir) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, dir->inode));
        if (!S_ISDIR(attributes.mode))
            return base::error(ENOTDIR);
        BASE_TRY(fs_access(thread, dir->inode, X_OK, false));
        BASE_TRY_ASSIGN(OpenFileId holder, fs_open_inode(thread, dir->inode, O_PATH | O_DIRECTORY));
        OpenFileId former = 0;
        {
            const std::lock_guard lock(pool->mutex);
            former = pool->directory_holder;
            pool->directory_holder = holder;
            pool->directory = dir->inode;
        }
        if (former != 0)
            fs_close(thread, former, false);
        return {};
    }));
}

int pmemfile_chdir(PMEMfilepool *pool, const char *path) {
    PMEMfile *dir = pmemfile_open(pool, path, O_PATH | O_DIRECTORY);
    if (dir == nullptr)
        return -1;
    const int result = pmemfile_fchdir(pool, dir);
    const int number = errno;
    pmemfile_close(pool, dir);
    errno = number;
    return result;
}

char *pmemfile_getcwd(PMEMfilepool *pool, char *buffer, size_t size) {
    if (buffer != nullptr && size == 0) {
        errno = EINVAL;
        return nullptr;
    }
    char text[path_max_bytes];
    const long length = api::serve(pool, [&](Thread &thread) {
        InodeNumber directory = 0;
        {
            const std::lock_guard lock(pool->mutex);
            directory = pool->directory;
        }
        return directory_path(thread, directory, text, sizeof(text));
    });
    if (length < 0)
        return nullptr;
    const size_t needed = static_cast<size_t>(length) + 1;
    if (size != 0 && size < needed) {
        errno = ERANGE;
        return nullptr;
    }
    if (buffer == nullptr)
        buffer = static_cast<char *>(malloc(size != 0 ? size : needed)); // the caller frees it, as with getcwd(3)
    if (buffer != nullptr)
        std::memcpy(buffer, text, needed);
    return buffer;
}

int pmemfile_setreuid(PMEMfilepool *pool, pmemfile_uid_t ruid, pmemfile_uid_t euid) {
    Credentials &who = pool->credentials;
    if (ruid != static_cast<uid_t>(-1))
        who.uid = ruid;
    if (euid != static_cast<uid_t>(-1))
        who.euid = who.suid = who.fsuid = euid;
    who.capabilities = who.euid == 0 ? ~0u : 0;
    return 0;
}

int pmemfile_setregid(PMEMfilepool *pool, pmemfile_gid_t rgid, pmemfile_gid_t egid) {
    Credentials &who = pool->credentials;
    if (rgid != static_cast<gid_t>(-1))
        who.gid = rgid;
    if (egid != static_cast<gid_t>(-1))
        who.egid = who.sgid = who.fsgid = egid;
    return 0;
}

int pmemfile_setgroups(PMEMfilepool *pool, size_t count, const pmemfile_gid_t *groups) {
    if (count > max_groups_of_user)
        return api::fail(EINVAL);
    if (count > 0)
        std::memcpy(pool->credentials.groups, groups, count * sizeof(*groups));
    pool->credentials.group_count = static_cast<unsigned>(count);
    return 0;
}
