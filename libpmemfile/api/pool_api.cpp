// Pools, and the places of threads in them.
//
//   thread_local ─► ThreadPlace ─► ThreadPlace        (one in each pool that the thread uses)
//                        ▲
//   pool ────────────────┴─► ThreadPlace of another thread
//
// A thread's place is made at its first call and given back when the thread or the
// pool ends, whichever comes first. The thread frees it: a place that its pool has
// left behind leads to no pool.
//
// Memory is asked for before a call has any effect, and never by what would throw.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/growth.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/shortage.h"

#include <cstring>
#include <new>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace pmemfile::api {
namespace {

// Outside a pool's mutex when both are held. Guards the pools' lists of places.
Mutex places_mutex;
thread_local ContainerMessage last_message;

// The places of one thread, in all pools.
class ThreadPlaces {
public:
    ~ThreadPlaces() {
        const MutexGuard lock(places_mutex);
        while (ThreadPlace *place = first_) {
            first_ = place->next_of_thread;
            if (PMEMfilepool *pool = place->pool.load()) {
                abort_transaction(pool, place->thread);
                thread_release(place->thread);
                ThreadPlace **link = &pool->places;
                while (*link != place)
                    link = &(*link)->next_of_pool;
                *link = place->next_of_pool;
            }
            delete place;
        }
    }
    Thread *find(const PMEMfilepool *pool) const {
        for (ThreadPlace *place = first_; place != nullptr; place = place->next_of_thread)
            if (place->pool.load(std::memory_order_relaxed) == pool)
                return &place->thread;
        return nullptr;
    }
    Thread *add(PMEMfilepool *pool) {
        free_closed();
        std::unique_ptr<ThreadPlace> place(new (std::nothrow) ThreadPlace);
        if (place == nullptr) {
            errno = ENOMEM;
            return nullptr;
        }
        place->thread.credentials = &pool->credentials;
        if (base::Status registered = thread_register(place->thread, pool->pool); !registered.ok()) {
            errno = registered.error().number();
            return nullptr;
        }
        place->pool.store(pool);
        place->next_of_thread = first_;
        first_ = place.release();
        const MutexGuard lock(places_mutex);
        first_->next_of_pool = pool->places;
        pool->places = first_;
        return &first_->thread;
    }

private:
    // Those of pools that have been closed meanwhile, by any thread.
    void free_closed() {
        for (ThreadPlace **link = &first_; *link != nullptr;) {
            ThreadPlace *place = *link;
            if (place->pool.load(std::memory_order_acquire) != nullptr) {
                link = &place->next_of_thread;
                continue;
            }
            *link = place->next_of_thread;
            delete place;
        }
    }
    ThreadPlace *first_ = nullptr;
};

thread_local ThreadPlaces places;

base::Status attach(Pool &pool, const char *path, bool read_only) {
    if (path == nullptr)
        return base::error(EFAULT);
    AttachOptions options;
    options.container_describe = container_describe;
    options.read_only = read_only;
    ContainerMessage message;
    base::Status attached = pool_attach(pool, path, options, &message);
    if (!attached.ok() && read_only && (attached.error().number() == EACCES || attached.error().number() == EROFS))
        attached = pool_attach_copy(pool, path, &message);
    if (!attached.ok())
        last_message = message;
    return attached;
}

// All that are open. Whoever walks along them is alone in the pool (pmemfile_pool_close says so).
PMEMfile *first_file(PMEMfilepool *pool) {
    const MutexGuard lock(pool->mutex);
    return pool->files;
}

// All threads' places end, and the pool is left.
void leave(PMEMfilepool *pool) {
    end_mappings(pool);
    {
        const MutexGuard lock(places_mutex);
        for (ThreadPlace *place = pool->places; place != nullptr; place = place->next_of_pool)
            abort_transaction(pool, place->thread);
        while (ThreadPlace *place = pool->places) {
            pool->places = place->next_of_pool;
            thread_release(place->thread);
            place->pool.store(nullptr, std::memory_order_release); // its thread frees it
        }
    }
    pool_detach(pool->pool);
}

PMEMfilepool *open_pool(const char *path, bool read_only) {
    std::unique_ptr<pmemfilepool> pool(new (std::nothrow) pmemfilepool);
    if (pool == nullptr) {
        errno = ENOMEM;
        return nullptr;
    }
    if (base::Status attached = attach(pool->pool, path, read_only); !attached.ok()) {
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
    {
        const MutexGuard lock(pool->mutex);
        pool->directory = pool->pool.superblock().root_inode;
    }
    std::memcpy(pool->uuid, pool->pool.superblock().uuid, sizeof(pool->uuid));
    std::memcpy(&pool->device, pool->uuid, sizeof(pool->device));
    return pool.release();
}

// What is needed to open `file` again. EBUSY when it has no name any more.
base::Status note_file(Thread &thread, PMEMfile *file) {
    BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, file->id));
    BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, file->inode));
    if (attributes.link_count == 0)
        return base::error(EBUSY);
    file->generation = attributes.generation;
    file->flags = description->flags.load();
    file->offset_bytes = description->offset_bytes.load();
    return {};
}

// Opens it again, whoever may read it now: it has been open all the time.
base::Status reopen_file(Thread &thread, PMEMfile *file) {
    const Credentials *former = thread.credentials;
    thread.credentials = nullptr;
    int flags = static_cast<int>(file->flags);
    if ((flags & O_TMPFILE) == O_TMPFILE) // it has a name now, and is no directory
        flags &= ~O_TMPFILE;
    auto id = fs_open_inode(thread, InodeHandle(file->inode, file->generation), flags);
    thread.credentials = former;
    if (!id.ok())
        return id.error();
    file->id = *id;
    BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, file->id));
    description->offset_bytes.store(file->offset_bytes);
    description->flags.store(file->flags);
    return {};
}

} // namespace

base::Result<NewFile> new_file() {
    NewFile file(new (std::nothrow) pmemfile_file{});
    if (file == nullptr)
        return base::error(ENOMEM);
    return file;
}

PMEMfile *add_file(PMEMfilepool *pool, NewFile place, OpenFileId id, InodeNumber inode) {
    PMEMfile *file = place.release();
    file->id = id;
    file->inode = inode;
    file->transaction = thread_of(pool)->pool->transaction;
    const api::MutexGuard lock(pool->mutex);
    file->next = pool->files;
    if (file->next != nullptr)
        file->next->previous = file;
    pool->files = file;
    return file;
}

void remove_file(PMEMfilepool *pool, PMEMfile *file) {
    {
        const api::MutexGuard lock(pool->mutex);
        (file->previous != nullptr ? file->previous->next : pool->files) = file->next;
        if (file->next != nullptr)
            file->next->previous = file->previous;
    }
    delete file;
}

Thread *thread_of(PMEMfilepool *pool) {
    if (pool->is_suspended) {
        errno = ENODEV;
        return nullptr;
    }
    Thread *thread = places.find(pool);
    return thread != nullptr ? thread : places.add(pool);
}

int fail(int number) {
    errno = number;
    return -1;
}

bool is_worth_again(Thread &thread, int error_number) {
    return error_number == ESTALE || (is_shortage(error_number) && shortage_relieve(thread));
}

base::Result<At> at_of(PMEMfilepool *pool, PMEMfile *dir, const char *path) {
    if (path == nullptr)
        return base::error(EFAULT);
    At at;
    at.path = path;
    if (at.path.starts_with('/')) {
        at.start = pool->pool.superblock().root_inode;
    } else if (dir == PMEMFILE_AT_CWD) {
        const api::MutexGuard lock(pool->mutex);
        at.start = pool->directory;
    } else if (dir == nullptr) {
        return base::error(EFAULT);
    } else {
        at.start = dir->inode;
    }
    return at;
}

base::Result<InodeHandle> find(PMEMfilepool *pool, Thread &thread, PMEMfile *dir, const char *path, int flags,
                               bool real_ids) {
    BASE_TRY_ASSIGN(At at, at_of(pool, dir, path));
    if (at.path.empty() && (flags & AT_EMPTY_PATH) != 0) {
        if (dir != PMEMFILE_AT_CWD)
            BASE_TRY(open_file_get(thread, dir->id));
        return InodeHandle(at.start); // open, or held as the working directory
    }
    const unsigned walk_flags = ((flags & AT_SYMLINK_NOFOLLOW) == 0 ? unsigned{walk_follow_last} : 0u) |
                                (real_ids ? unsigned{walk_real_ids} : 0u);
    BASE_TRY_ASSIGN(WalkResult found, walk(thread, at.start, at.path, walk_flags));
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
        api::last_message = message;
        errno = made.error().number();
        return nullptr;
    }
    return api::open_pool(path, false);
}

PMEMfilepool *pmemfile_pool_open(const char *path) {
    return api::open_pool(path, false);
}

PMEMfilepool *pmemfile_pool_open_read_only(const char *path) {
    return api::open_pool(path, true);
}

void pmemfile_pool_close(PMEMfilepool *pool) {
    if (pool == nullptr)
        return;
    if (!pool->is_suspended)
        api::leave(pool); // its open files end with it
    while (PMEMfile *file = api::first_file(pool))
        api::remove_file(pool, file);
    delete pool;
}

int pmemfile_pool_suspend(PMEMfilepool *pool) {
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        return -1;
    if (thread->pool->transaction != nullptr || api::is_mapped(pool))
        return api::fail(EBUSY);
    for (PMEMfile *file = api::first_file(pool); file != nullptr; file = file->next)
        if (base::Status noted = api::note_file(*thread, file); !noted.ok())
            return api::fail(noted.error().number());
    for (PMEMfile *file = api::first_file(pool); file != nullptr; file = file->next)
        fs_close(*thread, file->id);
    api::leave(pool);
    pool->is_suspended = true;
    return 0;
}

int pmemfile_pool_resume(PMEMfilepool *pool, const char *path) {
    if (!pool->is_suspended)
        return api::fail(EINVAL);
    if (base::Status attached = api::attach(pool->pool, path, pool->pool.read_only); !attached.ok())
        return api::fail(attached.error().number());
    pool->is_suspended = false;
    int failed = std::memcmp(pool->pool.superblock().uuid, pool->uuid, sizeof(pool->uuid)) != 0 ? EINVAL : 0;
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        failed = errno;
    PMEMfile *file = api::first_file(pool);
    for (; failed == 0 && file != nullptr; file = file->next)
        if (base::Status opened = api::reopen_file(*thread, file); !opened.ok())
            failed = opened.error().number();
    if (failed == 0)
        return 0;
    api::leave(pool); // closes those that were opened
    pool->is_suspended = true;
    return api::fail(failed);
}

int pmemfile_pool_grow(PMEMfilepool *pool, size_t size) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) { return fs_grow(thread, size); }));
}

unsigned pmemfile_pool_root_count(PMEMfilepool *pool) {
    unsigned count = 0;
    if (pool->is_suspended) { // nothing is mapped
        errno = ENODEV;
        return count;
    }
    for_roots(pool->pool.superblock(), [&](InodeNumber) { count++; });
    return count;
}

PMEMfile *pmemfile_open_root(PMEMfilepool *pool, unsigned index, int flags) {
    PMEMfile *file = nullptr;
    api::serve(pool, [&](Thread &place) -> base::Status {
        InodeNumber wanted = 0;
        unsigned at = 0;
        for_roots(pool->pool.superblock(), [&](InodeNumber root) { wanted = at++ == index ? root : wanted; });
        if (wanted == 0)
            return base::error(EINVAL);
        BASE_TRY_ASSIGN(api::NewFile fresh, api::new_file());
        BASE_TRY_ASSIGN(OpenFileId id, fs_open_inode(place, InodeHandle(wanted, 0), flags | O_DIRECTORY));
        file = api::add_file(pool, std::move(fresh), id, wanted);
        file->closes_on_exec = (flags & O_CLOEXEC) != 0;
        return {};
    });
    return file;
}

void pmemfile_pool_set_device(PMEMfilepool *pool, pmemfile_dev_t device) {
    pool->device = device;
}

const char *pmemfile_errormsg(void) {
    return api::last_message.text;
}
