// The beginning: what runs before main() of every program that is started with
// LD_PRELOAD=libpmemfile-preload.so and PMEMFILE_POOLS.
//
//   PMEMFILE_POOLS ─► attach each pool, or take over the place that exec left to us
//   inherited tokens ─► known; what close-on-exec has closed is given back
//   working directory ─► in a pool, if the host's is at or below a mount point
//   hooks ─► the table's calls; from here on the program sees the pools
//
// It all works or the program does not start: on the wrong files it could do harm.
#include "base/log.h"
#include "base/raw_syscall.h"
#include "intercept/guest/launch.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/liveness.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/token.h"
#include "posix-shim/notify/mirror.h"
#include "posix-shim/paths/empty_path.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/paths/route.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/process/address_space.h"
#include "posix-shim/process/exit.h"
#include "posix-shim/process/handed_place.h"
#include "posix-shim/process/needed_libraries.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/settings.h"
#include "posix-shim/process/shadow.h"
#include "posix-shim/process/switches.h"
#include "posix-shim/table/dispatch.h"
#include "posix-shim/table/ledger.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <span>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shim {

constinit char preload_path[pmemfile::path_max_bytes];
constinit char pools_value[pmemfile::path_max_bytes];

namespace {

constexpr long exit_code = 125; // as env(1) and the like for a failure of their own

using ContainerEntry = int (*)(const char *path, pmemfile::ContainerInfo *info, pmemfile::ContainerMessage *message);

// Leaves what has been attached so far as an end does: the last process would leave the runtime file behind else.
[[noreturn]] void fail(std::string_view what, std::string_view why) {
    constexpr size_t what_bytes_max = 320; // a longer path would take the reason's place in the line
    const bool is_long = what.size() > what_bytes_max;
    base::LogLine("preload")
        .text(is_long ? "..." : "")
        .text(is_long ? what.substr(what.size() - what_bytes_max) : what)
        .text(": ")
        .text(why)
        .write();
    if (context_of_thread != nullptr)
        context_leave_pools(*context_of_thread);
    for (unsigned mount = max_mounts; mount-- > 0;)
        mount_leave(mount);
    base::raw_syscall(SYS_exit_group, exit_code);
    __builtin_unreachable();
}

std::string_view reason(long result) {
    const char *name = strerrordesc_np(static_cast<int>(-result));
    return name != nullptr ? name : "unknown error";
}

// Where we were loaded from; exec needs it as an absolute path.
void find_ourselves() {
    Dl_info info;
    if (dladdr(reinterpret_cast<const void *>(&find_ourselves), &info) == 0 || info.dli_fname == nullptr)
        fail("libpmemfile-preload.so", "cannot find its own path");
    const long descriptor = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(info.dli_fname), O_PATH | O_CLOEXEC);
    const base::Result<size_t> length = host_directory_path(descriptor, preload_path, sizeof preload_path);
    base::raw_syscall(SYS_close, descriptor);
    if (!length.ok())
        fail(info.dli_fname, "cannot find its absolute path (is /proc mounted?)");
}

// The container's library lies beside us, or in the build tree.
ContainerEntry load_container() {
    static constinit char path[pmemfile::path_max_bytes + 64];
    const std::string_view self = preload_path;
    const std::string_view directory = self.substr(0, self.rfind('/') + 1);
    for (const std::string_view rest : {"libpmemfile-container.so", "../libpmemfile/libpmemfile-container.so"}) {
        std::memcpy(path, directory.data(), directory.size());
        std::memcpy(path + directory.size(), rest.data(), rest.size());
        path[directory.size() + rest.size()] = 0;
        if (base::is_error(base::raw_syscall(SYS_access, base::as_long(path), R_OK)))
            continue;
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr)
            fail(path, dlerror());
        return reinterpret_cast<ContainerEntry>(dlsym(library, "pmemfile_container_describe"));
    }
    return nullptr;
}

base::Result<pmemfile::ContainerInfo> open_container(const char *path, pmemfile::ContainerMessage *message) {
    const ContainerEntry entry = load_container();
    if (entry == nullptr)
        fail("libpmemfile-container.so", "not found beside libpmemfile-preload.so");
    pmemfile::ContainerInfo info;
    if (const int error_number = entry(path, &info, message); error_number != 0)
        return base::error(error_number);
    return info;
}

// The directory below a mount that is there may have gone, as a cleaner of /tmp takes empty ones, or may be out of
// reach for the user that the process has become: then no links of the host lead to it.
bool may_be_out_of_reach(long result) {
    return result == -EACCES || result == -ENOENT || result == -ENOTDIR;
}

void fill_host_side(Mount &mount, std::string_view directory, bool has_place) {
    if (directory.size() >= sizeof mount.host_path)
        fail(directory, "the path of the mount point is too long");
    std::memcpy(mount.host_path, directory.data(), directory.size());
    // (Not O_DIRECTORY: to a seccomp filter that forbids O_TMPFILE, which has that bit, it can be the same.)
    const long descriptor = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(mount.host_path), O_PATH | O_CLOEXEC);
    if (has_place && may_be_out_of_reach(descriptor)) {
        mount.host_path_length = static_cast<unsigned>(directory.size());
        return;
    }
    if (base::is_error(descriptor))
        fail(directory, reason(descriptor));
    struct stat status = {};
    base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status));
    if (!S_ISDIR(status.st_mode))
        fail(directory, reason(-ENOTDIR));
    const base::Result<size_t> length = host_directory_path(descriptor, mount.host_path, sizeof mount.host_path);
    base::raw_syscall(SYS_close, descriptor);
    if (!length.ok() || *length < 2)
        fail(directory, "cannot be a mount point");
    mount.host_path_length = static_cast<unsigned>(*length);
    mount.host_device = status.st_dev;
    mount.host_inode = status.st_ino;
}

void attach(Mount &mount, const char *pool_path, bool read_only, const pmemfile::PoolPlace *place) {
    pmemfile::AttachOptions options;
    options.read_only = read_only;
    options.container_describe = open_container;
    if (place != nullptr) {
        options.inherited_pool_descriptor = place->pool_descriptor;
        options.inherited_liveness_descriptor = place->liveness_descriptor;
        options.inherited_process_slot = place->process_slot;
        options.inherited_incarnation = place->incarnation;
    }
    pmemfile::ContainerMessage message;
    const base::Status attached = pmemfile::pool_attach(mount.pool, pool_path, options, &message);
    if (!attached.ok() && attached.error().number() == ENOMEM && address_space_is_limited())
        fail(pool_path, "the pool does not fit below the limit of address space (ulimit -Hv)");
    if (!attached.ok())
        fail(message.text[0] != 0 ? message.text : pool_path, reason(-attached.error().number()));
    descriptor_protect_own(mount.pool.pool_descriptor, -1);
    descriptor_protect_own(mount.pool.liveness_descriptor, -1);
    mount.device = mount_device(mount.pool.superblock().uuid);
    if (const long opened = token_file_open(mount, mount.pool.token_path); base::is_error(opened))
        fail(mount.pool.token_path, reason(opened));
}

// A path leads to one file: no mount lies in another one, and no pool is at two places (its
// descriptors tell the pool, not the place).
void refuse_overlap(const Mount &mount) {
    for (unsigned i = 0; i < mount_count; i++) {
        const Mount &other = mounts[i];
        const std::string_view shorter = other.host_path_length < mount.host_path_length ? other.path() : mount.path();
        const std::string_view longer = other.host_path_length < mount.host_path_length ? mount.path() : other.path();
        if (longer == shorter)
            fail(mount.path(), "two pools cannot be mounted on one directory");
        if (longer.starts_with(shorter) && longer[shorter.size()] == '/')
            fail(longer, "a mount cannot lie in another mount");
        if (other.token_device == mount.token_device && other.token_inode == mount.token_inode)
            fail(mount.path(), "its pool is mounted elsewhere already");
    }
}

// All mounts of PMEMFILE_POOLS. True when the places came from exec.
bool make_mounts(const Handover *handover) {
    std::string_view rest = pools_value;
    bool is_handover = handover != nullptr;
    while (!rest.empty()) {
        MountSetting setting;
        if (!next_mount(rest, setting))
            fail("PMEMFILE_POOLS", "must be DIR=POOL[,OPTION...];... with absolute paths");
        if (!setting.wrong_option.empty())
            fail(setting.wrong_option, "no such mount option (ro, rw)");
        if (mount_count == max_mounts)
            fail("PMEMFILE_POOLS", "more than 8 pools");
        Mount &mount = mounts[mount_count];
        static constinit char pool_path[pmemfile::path_max_bytes];
        std::memcpy(pool_path, setting.pool.data(), setting.pool.size());
        pool_path[setting.pool.size()] = 0;
        const pmemfile::PoolPlace *place =
            is_handover ? handed_place(*handover, mount_count, pools_mark(pools_value), pool_path) : nullptr;
        is_handover = is_handover && place != nullptr;
        fill_host_side(mount, setting.directory, place != nullptr);
        if (setting.pool.size() < sizeof mount.pool_path)
            std::memcpy(mount.pool_path, pool_path, setting.pool.size() + 1);
        attach(mount, pool_path, setting.read_only, place);
        refuse_overlap(mount);
        mount_count++;
        ledger_log("mount", mount.path(), pool_path);
    }
    return is_handover;
}

base::Status enter(ThreadContext &context, Beginning which, const WorkingDirectory &directory) {
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, static_cast<unsigned>(directory.mount)));
    BASE_TRY_ASSIGN(const pmemfile::OpenFileId holder,
                    pmemfile::fs_open_inode(*thread, directory.inode, O_PATH | O_DIRECTORY));
    beginning_directory_adopt(which, {directory.mount, directory.inode, holder});
    return {};
}

// Where the giver was, in what it had mounted there.
bool enter_handed(ThreadContext &context, Beginning which, const Handover &handover,
                  const WorkingDirectory &directory) {
    const auto mount = static_cast<unsigned>(directory.mount);
    return directory.mount >= 0 && mount < mount_count && is_handed_pool(handover, mounts[mount], mount) &&
           enter(context, which, directory).ok();
}

// The host's working directory is at or below a mount point: ours is in the pool.
base::Status enter_mount(ThreadContext &context) {
    const base::Result<std::string_view> path = host_cwd(context);
    std::string_view rest;
    const int mount = path.ok() ? mount_of(*path, &rest) : -1;
    if (mount < 0)
        return {};
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, static_cast<unsigned>(mount)));
    BASE_TRY_ASSIGN(const pmemfile::WalkResult found,
                    pmemfile::walk(*thread, thread->pool->superblock().root_inode, rest.empty() ? "." : rest,
                                   pmemfile::walk_follow_last));
    return enter(context, Beginning::working, {mount, found.inode, 0});
}

// The interceptor keeps its plans below the user's home directory, by calls that do not come
// through here. Where the home is in a pool it must not see it (it takes /tmp then).
class HiddenHome {
public:
    explicit HiddenHome(char **environment) {
        for (const std::string_view variable : {"HOME=", "XDG_CACHE_HOME=", "PMEMFILE_CACHE_DIR="}) {
            const char *value = environment_value(environment, variable);
            std::string_view rest;
            if (value != nullptr && mount_of(value, &rest) >= 0)
                hidden_[count_++] = const_cast<char *>(value - variable.size());
        }
        for (unsigned i = 0; i < count_; i++)
            *hidden_[i] ^= name_change;
    }
    ~HiddenHome() {
        for (unsigned i = 0; i < count_; i++)
            *hidden_[i] ^= name_change;
    }
    HiddenHome(const HiddenHome &) = delete;
    HiddenHome &operator=(const HiddenHome &) = delete;

private:
    static constexpr char name_change = 0x20; // the variable's first letter, small
    char *hidden_[3];
    unsigned count_ = 0;
};

// A system call of the program that slips past the hooks.
int tell_of_site(const intercept_site_info *site, void *) {
    if (site->state == INTERCEPT_SITE_WINDOW_UNSAFE || site->state == INTERCEPT_SITE_FAILED)
        ledger_log("round", site->object[0] != 0 ? site->object : "the program itself",
                   site->state == INTERCEPT_SITE_FAILED ? "a system call that could not be patched"
                                                        : "a system call that cannot be patched safely");
    return 0;
}

void start_hooks(char **environment) {
    const HiddenHome hidden(environment);
    static constinit long numbers[512];
    const unsigned count = dispatch_calls(numbers);
    intercept_hook hook = {};
    hook.filter = ledger.counts ? nullptr : dispatch_filter; // it lets most calls pass unseen
    hook.hook = dispatch_hook;
    hook.post = dispatch_post;
    hook.calls = count == 0 ? nullptr : numbers;
    hook.call_count = count;
    const int added = intercept_add(&hook);
    if (added < 0)
        fail("cannot hook system calls", reason(added));
    const std::span<const long> decided = ledger.counts ? std::span<const long>() : dispatch_word_calls();
    if (const int words = intercept_set_words(added, reinterpret_cast<const uint64_t *>(descriptor_words),
                                              descriptor_table_size, decided.data(), decided.size());
        words < 0)
        fail("cannot hook system calls", reason(words));
    empty_path_begin(added);
    if (const int started = intercept_start(); started < 0)
        fail("cannot patch system calls", reason(started));
    if (ledger.is_logged)
        intercept_visit_sites(tell_of_site, nullptr);
}

// What our exec changed so that the kernel and the loader find copies of what is in a pool: taken
// back before the program looks.
void restore_environment(char **environment) {
    environment_rename(environment, preloaded_variable, preload_variable);
    for (char **variable = environment; *variable != nullptr; variable++)
        if (std::string_view(*variable).starts_with(library_path_variable) &&
            is_shadow_path(*variable + library_path_variable.size()) &&
            library_path_restore(*variable + library_path_variable.size())) {
            environment_remove(environment, library_path_variable);
            return;
        }
}

// The kernel's word for what it executes: not the copy, but what the copy is of.
void restore_program_name(Elf64_auxv_t *auxiliary, const char *executed) {
    char path[pmemfile::path_max_bytes];
    const long length =
        base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long("/proc/self/exe"), base::as_long(path), sizeof path);
    std::string_view inside;
    if (const int mount = base::is_error(length) ? -1 : shadow_mount_of({path, static_cast<size_t>(length)}, &inside);
        mount >= 0 && inside.size() > 1) {
        shadowed_program.length = inside.size() - 1;
        std::memcpy(shadowed_program.inside, inside.data() + 1, inside.size() - 1);
        shadowed_program.mount = mount;
    }
    if (executed == nullptr)
        return;
    for (Elf64_auxv_t *entry = auxiliary; entry->a_type != AT_NULL; entry++) // getauxval reads it there
        if (entry->a_type == AT_EXECFN)
            entry->a_un.a_val = reinterpret_cast<uint64_t>(executed);
}

// By the random bytes that the kernel gives to each program.
bool is_one_in_sixteen(const Elf64_auxv_t *auxiliary) {
    for (; auxiliary->a_type != AT_NULL; auxiliary++)
        if (auxiliary->a_type == AT_RANDOM)
            return (reinterpret_cast<const uint8_t *>(auxiliary->a_un.a_val)[15] & 15) == 0;
    return false;
}

// We are linked to be the first constructor that runs, before libc's own, which tell it of arguments and environment:
// they go first. The loader will call them again; they only store the same.
void start_libc(int argument_count, char **arguments, char **environment) {
    Dl_info info;
    link_map *libc = nullptr;
    if (environ != nullptr || dladdr1(reinterpret_cast<const void *>(&dladdr1), &info, reinterpret_cast<void **>(&libc),
                                      RTLD_DL_LINKMAP) == 0)
        return;
    using Constructor = void (*)(int, char **, char **);
    const Constructor *constructors = nullptr;
    size_t size_bytes = 0;
    for (const auto *entry = libc->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_INIT_ARRAY)
            constructors = reinterpret_cast<const Constructor *>(libc->l_addr + entry->d_un.d_ptr);
        else if (entry->d_tag == DT_INIT_ARRAYSZ)
            size_bytes = entry->d_un.d_val;
    for (size_t i = 0; constructors != nullptr && i < size_bytes / sizeof(Constructor); i++)
        constructors[i](argument_count, arguments, environment);
}

__attribute__((constructor)) void start(int argument_count, char **arguments, char **environment) {
    const char *pools = environment_value(environment, pools_variable);
    if (pools == nullptr || *pools == 0)
        return;
    // A dynamic program that the launcher started: its loader has loaded us once more, and the launcher's copy serves
    // it.
    if (base::raw_syscall(SYS_prctl, intercept::guest_question) == intercept::guest_answer)
        return;
    start_libc(argument_count, arguments, environment);
    char **end = environment; // before anything is taken out of it
    while (*end != nullptr)
        end++;
    auto *auxiliary = reinterpret_cast<Elf64_auxv_t *>(end + 1);
    restore_environment(environment);
    Handover handover;
    const char *text = environment_value(environment, handover_variable);
    const bool is_told = text != nullptr && handover_read(text, handover);
    const bool has_root = is_told && handover.root.mount >= 0;
    if (!switches_read(environment) && !has_root) // without us it would be at the host's root
        return;
    if (std::strlen(pools) >= sizeof pools_value)
        fail("PMEMFILE_POOLS", "too long");
    std::strcpy(pools_value, pools);
    find_ourselves();

    const bool is_mine = is_told && handover.process == base::raw_syscall(SYS_getpid);
    ThreadContext *context = context_get();
    if (context == nullptr)
        fail("memory", reason(-ENOMEM));
    credentials_start();
    AddressSpaceLift lift;
    const bool has_place = make_mounts(is_mine ? &handover : nullptr);
    lift.mounted(is_told ? handover.address_space_bytes : 0);
    if (is_told && !has_place)
        close_foreign_places(handover);
    if (is_mine && handover.command_name[0] != 0)
        base::raw_syscall(SYS_prctl, PR_SET_NAME, base::as_long(handover.command_name));
    restore_program_name(auxiliary, is_mine ? environment_value(environment, executed_variable) : nullptr);
    environment_remove(environment, executed_variable);
    environment_remove(environment, handover_variable);

    descriptor_scan(*context);
    for (unsigned mount = 0; mount < mount_count; mount++)
        if (mounts[mount].pool.segment->watch_generation.load() != 0) {
            descriptor_scan(*context, mirror_adopt); // with all tokens known
            break;
        }
    if (has_place) {
        beginning_directory_adopt(Beginning::working, handover.directory);
        beginning_directory_adopt(Beginning::root, handover.root);
        for (unsigned mount = 0; mount < mount_count; mount++) {
            pmemfile::OpenFileId keep[beginning_count];
            unsigned kept = 0;
            for (const WorkingDirectory &directory : {handover.directory, handover.root})
                if (directory.mount == static_cast<int>(mount))
                    keep[kept++] = directory.holder;
            descriptor_prune(*context, mount, {keep, kept});
        }
        for (const LostLocks &lost : std::span(handover.lost, handover.lost_count))
            if (const base::Result<pmemfile::Thread *> thread = context_thread(*context, lost.mount); thread.ok())
                pmemfile::advisory_lock_drop_posix(**thread, lost.inode);
    } else if (has_root && !enter_handed(*context, Beginning::root, handover, handover.root)) {
        fail("the root is not in the pool", reason(-ENOENT));
    } else if (is_told && enter_handed(*context, Beginning::working, handover, handover.directory)) {
        // A child of a program without us, which holds that directory, is where that one was.
    } else if (const base::Status entered = enter_mount(*context); !entered.ok()) {
        fail("the working directory is not in the pool", reason(-entered.error().number()));
    }
    if (shadowed_program.mount >= 0 && is_one_in_sixteen(auxiliary))
        shadow_prune(*context, static_cast<unsigned>(shadowed_program.mount));
    signals_start();
    start_hooks(environment);
}

} // namespace
} // namespace shim
