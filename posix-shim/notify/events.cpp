#include "posix-shim/notify/events.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_path.h"
#include "posix-shim/paths/descriptor_path.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

namespace shim {

using base::Result;
using namespace pmemfile;

namespace {

// The times are not looked at by anybody: which of them is set says which event it is.
void touch(const char *path, bool access, bool modify) {
    const struct timespec times[2] = {{0, access ? UTIME_NOW : UTIME_OMIT}, {0, modify ? UTIME_NOW : UTIME_OMIT}};
    // With both, who may write may do it; with one, the owner.
    base::raw_syscall(SYS_utimensat, AT_FDCWD, base::as_long(path),
                      access && modify ? 0 : base::as_long(static_cast<const void *>(times)), 0);
}

void act(const char *path, bool is_directory, Event event) {
    if (event == Event::modify && !is_directory)
        base::raw_syscall(SYS_truncate, base::as_long(path), 1);
    else
        touch(path, event != Event::modify, event != Event::access);
}

void act(const Companion::Part &part, int open_flags, Event event) {
    const int descriptor = part.descriptor;
    const bool is_directory = (open_flags & O_DIRECTORY) != 0;
    const int mode = open_flags & O_ACCMODE;
    if (!part.is_found && event == Event::modify && mode != O_RDONLY) {
        const char byte = 0; // not a truncation: IN_EXCL_UNLINK tells the two apart
        base::raw_syscall(SYS_pwrite64, descriptor, base::as_long(&byte), 1, 0);
        return;
    }
    if (!part.is_found && event == Event::access && is_directory) {
        alignas(8) char entries[sizeof(dirent64) + 24];
        const long position = base::raw_syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
        base::raw_syscall(SYS_lseek, descriptor, 0, SEEK_SET);
        base::raw_syscall(SYS_getdents64, descriptor, base::as_long(entries), sizeof entries);
        base::raw_syscall(SYS_lseek, descriptor, position, SEEK_SET);
        return;
    }
    char byte = 0;
    if (!part.is_found && event == Event::access && mode != O_WRONLY &&
        base::raw_syscall(SYS_pread64, descriptor, base::as_long(&byte), 1, 0) == 1)
        return;
    act(DescriptorPath(descriptor).text(), is_directory, event);
}

// What stands for an inode itself, apart from its names: it has gone.
void inode_gone(const Thread &thread, InodeNumber inode, bool is_directory) {
    if (!mirror_has(thread, inode))
        return;
    // The first one last: companions have that open, and the kernel says IN_DELETE_SELF with the last name that nobody
    // has open.
    for (unsigned which = mirror_places; which-- > 0;)
        mirror_remove(mirror_place(thread, inode, which), is_directory);
}

// IN_MOVE_SELF for who watches the inode and no directory that it is in. (Renaming to a name that it has is nothing.)
void inode_moved(const Thread &thread, InodeNumber inode) {
    if (!mirror_has(thread, inode))
        return;
    MirrorPath there;
    MirrorPath free;
    for (unsigned which = 0; which < mirror_places; which++)
        if (const MirrorPath place = mirror_place(thread, inode, which); mirror_is_there(place))
            there = there.length == 0 ? place : there;
        else
            free = place;
    if (there.length != 0 && free.length != 0)
        base::raw_syscall(SYS_rename, there.raw(), free.raw());
}

// A free name for what stands for the inode, beside which another one is free.
MirrorPath free_place(const Thread &thread, InodeNumber inode) {
    MirrorPath found;
    unsigned free_count = 0;
    for (unsigned which = 0; which < mirror_places; which++)
        if (const MirrorPath place = mirror_place(thread, inode, which); !mirror_is_there(place)) {
            found = place;
            free_count++;
        }
    for (unsigned which = mirror_places; which-- > 0 && free_count < 2;)
        if (const MirrorPath place = mirror_place(thread, inode, which); mirror_remove(place, false) == 0) {
            found = place;
            free_count++;
        }
    return found;
}

// IN_ATTRIB, for the number of links, where no name of the inode was removed or made in the mirror.
void inode_linked(const Thread &thread, InodeNumber inode) {
    if (!mirror_has(thread, inode))
        return;
    if (const MirrorPath path = mirror_find(thread, inode); path.length != 0)
        act(path.text, false, Event::attributes);
}

void remove_name(const MirrorPath &path, bool is_directory) {
    if (mirror_remove(path, is_directory) != -ENOENT)
        return;
    mirror_make(path, is_directory); // nobody has told of its making
    mirror_remove(path, is_directory);
}

void remove_whatever(const MirrorPath &path) {
    if (mirror_remove(path, false) != 0)
        mirror_remove(path, true);
}

void rename_in_mirror(const MirrorPath &from, const MirrorPath &to, bool is_directory, unsigned flags) {
    for (int times = 0; times < 2; times++) {
        const long done = base::raw_syscall(SYS_renameat2, AT_FDCWD, from.raw(), AT_FDCWD, to.raw(), flags);
        if (done == 0)
            return;
        if (done == -ENOENT)
            mirror_make(from, is_directory);
        else
            remove_whatever(to);
    }
}

// What stands for the file itself; length 0: nobody watches it (or it is a directory, whose name is another one).
MirrorPath own_file(const Thread &thread, const NoticedName &name) {
    return !name.is_directory && mirror_has(thread, name.inode) ? mirror_find(thread, name.inode) : MirrorPath{};
}

// What this process has open of the file is told of at `path`, which stands for it and moves from there into a
// directory that is watched.
void follow_into(const Mover &mover, const NoticedName &name, const MirrorPath &path) {
    const int end = mover.context.is_vfork_child ? 0 : descriptor_high_water();
    for (int descriptor = 0; descriptor < end; descriptor++) {
        const DescriptorWord word = descriptor_words[descriptor].load();
        if (!is_ours(word) || word_mount(word) != mover.mount)
            continue;
        const OpenFileId id = word_id(word);
        const Result<OpenFile *> file = open_file_get(mover.thread, id);
        if (!file.ok() || (*file)->inode.load() != name.inode || ((*file)->flags.load() & O_PATH) != 0)
            continue;
        if (companion_find(mover.mount, id) != nullptr) {
            if (name.is_directory)
                continue;                     // it is watched itself
            companion_close(mover.mount, id); // of a name that nobody sees any more
        }
        companion_open(mover.context, mover.mount, id, path.text,
                       static_cast<int>((*file)->flags.load() & O_ACCMODE) | (name.is_directory ? O_DIRECTORY : 0));
    }
}

// Where that stands, or is made, which stands for a name that comes from a directory that nobody watches.
MirrorPath make_moving(const Mover &mover, const NoticedName &name) {
    if (const MirrorPath own = own_file(mover.thread, name); own.length != 0)
        return own;
    const MirrorPath spare = mirror_spare(mover.thread);
    mirror_make(spare, name.is_directory);
    follow_into(mover, name, spare);
    return spare;
}

// What stood for the file itself, at `former`, has been renamed to `arrival`.
void keep_own(const Thread &thread, const NoticedName &name, const MirrorPath &arrival, const MirrorPath &former) {
    if (!name.is_directory && mirror_has(thread, name.inode) && mirror_find(thread, name.inode).length == 0)
        base::raw_syscall(SYS_link, arrival.raw(), former.raw());
}

// True: what stands for the two files was moved with their names.
bool exchange(const Mover &mover, const NoticedName &from, const NoticedName &to, const MirrorPath &from_path,
              const MirrorPath &to_path) {
    if (from_path.length == 0 && to_path.length == 0)
        return false;
    if (from_path.length != 0 && to_path.length != 0) {
        rename_in_mirror(from_path, to_path, from.is_directory, RENAME_EXCHANGE);
        return true;
    }
    const bool to_comes_in = from_path.length != 0;
    const NoticedName &comer = to_comes_in ? to : from;
    const MirrorPath &arrival = to_comes_in ? from_path : to_path;
    const MirrorPath moving = make_moving(mover, comer);
    rename_in_mirror(to_comes_in ? arrival : moving, to_comes_in ? moving : arrival, from.is_directory,
                     RENAME_EXCHANGE);
    remove_whatever(moving);
    keep_own(mover.thread, comer, arrival, moving);
    return true;
}

// Into or out of a directory that nobody watches. True: what stands for the inode was moved with it.
bool move_one_side(const Mover &mover, const NoticedName &from, const MirrorPath &from_path,
                   const MirrorPath &to_path) {
    Thread &thread = mover.thread;
    const bool has_own = own_file(thread, from).length != 0;
    if (from_path.length != 0) {
        if (!has_own) {
            const MirrorPath spare = mirror_spare(thread);
            rename_in_mirror(from_path, spare, from.is_directory, 0);
            remove_whatever(spare);
            return false;
        }
        rename_in_mirror(from_path, free_place(thread, from.inode), false, 0);
        return true;
    }
    const MirrorPath moving = make_moving(mover, from);
    rename_in_mirror(moving, to_path, from.is_directory, 0);
    if (has_own)
        keep_own(thread, from, to_path, moving);
    return has_own;
}

// The companion of a description that was open before it was watched.
Companion *find_open(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id, bool opens) {
    if (Companion *known = companion_find(mount, id); known != nullptr)
        return known;
    const Result<OpenFile *> file = open_file_get(thread, id);
    if (!file.ok() || ((*file)->flags.load() & O_PATH) != 0 || context.is_vfork_child)
        return nullptr;
    const InodeNumber inode = (*file)->inode.load();
    const InodeNumber parent = (*file)->parent.load();
    if (!mirror_has(thread, inode) && !mirror_has(thread, parent))
        return nullptr;
    const Result<Attributes> attributes = fs_attributes(thread, inode);
    const bool is_directory = attributes.ok() && S_ISDIR(attributes->mode);
    const int flags =
        static_cast<int>((*file)->flags.load() & O_ACCMODE) | (is_directory ? O_DIRECTORY : 0) | (opens ? 0 : O_PATH);
    long opened = -ENOENT;
    if (mirror_has(thread, parent))
        if (const Result<size_t> length = fs_open_path(thread, id, context.host_path[1], path_max_bytes); length.ok()) {
            const std::string_view path(context.host_path[1], *length);
            if (const MirrorPath found = mirror_find(thread, parent, path.substr(path.rfind('/') + 1));
                found.length != 0)
                opened = companion_open(context, mount, id, found.text, flags);
        }
    if (base::is_error(opened) || is_directory)
        if (const MirrorPath own = mirror_find(thread, inode); own.length != 0)
            companion_open(context, mount, id, own.text, flags);
    return companion_find(mount, id);
}

} // namespace

NoticedName notice_name(Thread &thread, const At &at) {
    NoticedName noticed;
    if (!mirror_is_used(thread)) [[likely]]
        return noticed;
    const Result<WalkResult> found = walk(thread, at.start, at.path, at.flags);
    if (!found.ok() || found->name.size() > sizeof noticed.bytes)
        return noticed;
    noticed.parent = found->parent;
    noticed.inode = found->inode;
    noticed.is_directory = found->type == DT_DIR;
    if (found->name != "." && found->name != "..") {
        noticed.length = static_cast<uint8_t>(found->name.size());
        std::memcpy(noticed.bytes, found->name.data(), found->name.size());
    }
    noticed.is_noticed = mirror_has(thread, noticed.parent) || mirror_has(thread, noticed.inode);
    if (noticed.is_noticed && noticed.inode != 0)
        if (const Result<Attributes> attributes = fs_attributes(thread, found->handle()); attributes.ok()) {
            noticed.link_count = attributes->link_count;
            noticed.is_directory = S_ISDIR(attributes->mode);
        }
    if (noticed.is_noticed)
        mirror_look(thread);
    return noticed;
}

void tell_created(Thread &thread, const NoticedName &name, bool is_directory) {
    if (!name.is_noticed)
        return;
    const MirrorPath path = mirror_find(thread, name.parent, name.name());
    if (path.length == 0 || mirror_make(path, is_directory) != -EEXIST)
        return;
    remove_whatever(path); // nobody has told of its going
    mirror_make(path, is_directory);
}

void tell_removed(Thread &thread, const NoticedName &name) {
    if (!name.is_noticed)
        return;
    const MirrorPath path = mirror_find(thread, name.parent, name.name());
    const bool is_last = name.is_directory || name.link_count <= 1;
    if (is_last)
        inode_gone(thread, name.inode, name.is_directory);
    if (path.length != 0)
        remove_name(path, name.is_directory);
    else if (!is_last)
        inode_linked(thread, name.inode);
}

void tell_linked(Thread &thread, InodeNumber inode, const NoticedName &name) {
    if (!mirror_is_used(thread))
        return;
    const MirrorPath path = mirror_find(thread, name.parent, name.name());
    if (path.length == 0) {
        inode_linked(thread, inode);
        return;
    }
    const MirrorPath own = mirror_has(thread, inode) ? mirror_find(thread, inode) : MirrorPath{};
    if (own.length == 0 || base::raw_syscall(SYS_link, own.raw(), path.raw()) != 0)
        mirror_make(path, false);
}

void tell_renamed(const Mover &mover, const NoticedName &from, const NoticedName &to, unsigned rename_flags) {
    Thread &thread = mover.thread;
    if (!from.is_noticed && !to.is_noticed)
        return;
    if (from.inode == to.inode)
        return; // two names of one file: nothing was done
    const MirrorPath from_path = mirror_find(thread, from.parent, from.name());
    const MirrorPath to_path = mirror_find(thread, to.parent, to.name());
    if ((rename_flags & RENAME_EXCHANGE) != 0) {
        const bool is_told = exchange(mover, from, to, from_path, to_path);
        for (const NoticedName *name : {&from, &to})
            if (!is_told || name->is_directory)
                inode_moved(thread, name->inode);
        return;
    }
    bool is_told = false;
    if (from_path.length != 0 && to_path.length != 0) {
        rename_in_mirror(from_path, to_path, from.is_directory, 0);
        is_told = true;
    } else if (from_path.length != 0 || to_path.length != 0) {
        is_told = move_one_side(mover, from, from_path, to_path);
    }
    if (!is_told || from.is_directory)
        inode_moved(thread, from.inode);
    if (to.inode != 0 && (to.is_directory || to.link_count <= 1))
        inode_gone(thread, to.inode, to.is_directory);
    else if (to.inode != 0 && to_path.length == 0)
        inode_linked(thread, to.inode);
}

void tell_name(Thread &thread, const NoticedName &name, Event event) {
    if (!name.is_noticed)
        return;
    const MirrorPath path = mirror_find(thread, name.parent, name.name());
    if (path.length != 0)
        act(path.text, name.is_directory, event);
    if ((path.length == 0 || name.is_directory) && mirror_has(thread, name.inode))
        if (const MirrorPath own = mirror_find(thread, name.inode); own.length != 0)
            act(own.text, name.is_directory, event);
}

void tell_opened(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id, const NoticedName &name,
                 int flags) {
    if (!name.is_noticed || (flags & O_PATH) != 0)
        return;
    const int kept = (flags & O_ACCMODE) | (name.is_directory ? O_DIRECTORY : 0) |
                     (name.inode != 0 && !name.is_directory ? flags & O_TRUNC : 0);
    long opened = -ENOENT;
    if (const MirrorPath path = mirror_find(thread, name.parent, name.name()); path.length != 0)
        opened = companion_open(context, mount, id, path.text, kept);
    if ((base::is_error(opened) || name.is_directory) && mirror_has(thread, name.inode))
        if (const MirrorPath own = mirror_find(thread, name.inode); own.length != 0)
            companion_open(context, mount, id, own.text, kept);
}

void tell_open_file_slowly(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id, Event event) {
    const Companion *companion = find_open(context, thread, mount, id, false);
    if (companion == nullptr)
        return;
    for (const Companion::Part &part : companion->parts)
        if (companion_is_sound(part))
            act(part, companion->open_flags, event);
    mirror_look(thread);
}

void tell_reopened(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id) {
    if (mirror_is_used(thread))
        find_open(context, thread, mount, id, true);
}

void adopt_open_files(ThreadContext &context, Thread &thread, unsigned mount, InodeNumber inode) {
    const int end = descriptor_high_water();
    for (int descriptor = 0; descriptor < end; descriptor++) {
        const DescriptorWord word = descriptor_words[descriptor].load();
        if (!is_ours(word) || word_mount(word) != mount)
            continue;
        const Result<OpenFile *> file = open_file_get(thread, word_id(word));
        if (file.ok() && ((*file)->inode.load() == inode || (*file)->parent.load() == inode))
            find_open(context, thread, mount, word_id(word), true);
    }
}

} // namespace shim
