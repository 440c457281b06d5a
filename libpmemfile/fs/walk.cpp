// The idea: component by component, each directory read under its own sequence
// counter, hand over hand: what was read of an inode counts only if the
// directory that named it has not changed between. From then on its generation tells
// whether it is still the same. So no inode number that was freed and used
// again in between goes unnoticed (hazard 17).
//
//     parent: number → child          child: mode, generation, names …
//          └─ its counter, then ──────────┴─ same counter again?  no: look in parent again
//
// A symlink puts its text before the rest of the path, in one of two scratch buffers by turns.
#include "libpmemfile/fs/walk.h"

#include "libpmemfile/file/block_map.h"
#include "libpmemfile/fs/changed_root.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/names/directory.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace pmemfile {

constinit thread_local ChangedRoot changed_root;

namespace {

constexpr unsigned max_symlinks = 40; // as Linux

// What one step reads of an inode.
struct Step {
    uint32_t mode = 0;
    uint32_t generation = 0;
    uint32_t link_count = 0;
    InodeNumber parent = 0;
    Dentry child;
    base::Status status;   // of search permission and lookup
    size_t text_bytes = 0; // symlinks
    Moment moment;
};

class Walk {
public:
    Walk(Thread &thread, InodeNumber start, std::string_view path, unsigned flags)
        : thread_(thread), pool_(*thread.pool), root_(pool_.superblock().root_inode),
          changed_root_(changed_root.thread == &thread ? changed_root.directory : 0), start_(start), path_(path),
          flags_(flags) {}
    base::Result<WalkResult> run();

private:
    enum class Want { nothing, child, symlink_text };

    // Where the walk stands.
    struct Position {
        InodeNumber number = 0;
        bool is_known = false;   // `generation` says which use of the number is meant, else
        uint32_t generation = 0; // the moment at which it was named must not have passed
        Moment named_at;
        std::string_view rest; // of the path, still to walk
    };
    enum class Outcome { done, again };

    void start_over();
    Outcome step(base::Result<WalkResult> *result);
    // Reads inode `number` under its counter. False: it is not what was named at `named_at` any more.
    bool read(InodeNumber number, const Moment &named_at, Want want, std::string_view name, Step *step);
    void read_symlink(const Inode &inode, Step *step);
    base::Status follow(InodeNumber link, const Moment &named_at, std::string_view behind);
    base::Status escape(std::string_view prefix, std::string_view rest);
    Outcome finish(const WalkResult &place, InodeNumber inode, const Moment &named_at,
                   base::Result<WalkResult> *result);
    // Where absolute paths and symlinks begin, and what `..` does not leave.
    InodeNumber top() const {
        if ((flags_ & walk_in_root) != 0)
            return start_;
        return changed_root_ != 0 ? changed_root_ : root_;
    }
    // The path may leave the pool: by `..` at its root (who begins outside of a changed root comes there), by a
    // symlink.
    bool may_escape() const {
        return (flags_ & (walk_may_escape | walk_in_root)) == walk_may_escape;
    }
    bool link_may_escape() const {
        return may_escape() && changed_root_ == 0;
    }

    Thread &thread_;
    Pool &pool_;
    InodeNumber root_;
    InodeNumber changed_root_; // 0: there is none
    InodeNumber start_;
    std::string_view path_;
    unsigned flags_;
    unsigned buffer_ = 0; // scratch buffer that the next symlink goes to
    Position here_;
    Position before_; // where here_.number was read
};

bool Walk::read(InodeNumber number, const Moment &named_at, Want want, std::string_view name, Step *step) {
    for (ReadSection section(thread_, number); section.next();) {
        step->moment = Moment(thread_, number);
        step->status = {};
        const Inode *inode = pool_.inode(number);
        if (inode == nullptr) {
            step->status = base::error(ENOENT);
            step->mode = 0;
        } else {
            step->mode = inode->mode;
            step->generation = inode->generation;
            step->link_count = inode->link_count;
            step->parent = inode->parent;
            if (want == Want::child) {
                if (!S_ISDIR(inode->mode))
                    step->status = base::error(ENOTDIR);
                else
                    step->status = permission_check(thread_, *inode, may_execute, (flags_ & walk_real_ids) != 0);
                if (step->status.ok() && !name.empty()) {
                    auto found = directory_lookup(pool_, *inode, name);
                    step->child = found.ok() ? *found : Dentry{};
                    step->status = found.ok() ? base::Status{} : base::Status(found.error());
                }
            } else if (want == Want::symlink_text) {
                read_symlink(*inode, step);
            }
        }
        if (section.valid())
            return !named_at.has_passed();
    }
    return false;
}

// Copies the text to the scratch buffer; whether it was garbage is known later.
void Walk::read_symlink(const Inode &inode, Step *step) {
    char *text = thread_.path[buffer_];
    uint64_t size = inode.size_bytes;
    step->text_bytes = 0;
    bool is_inline = (inode.flags & inode_inline) != 0;
    if (!S_ISLNK(inode.mode) || size == 0 || size >= (is_inline ? inline_max_bytes + 1u : path_max_bytes)) {
        step->status = base::error(EUCLEAN);
        return;
    }
    if (is_inline) {
        std::memcpy(text, inode.content.bytes, size);
    } else {
        MappedRun run = map_lookup(pool_, inode, 0, 1);
        if (run.block == 0) {
            step->status = base::error(EUCLEAN);
            return;
        }
        std::memcpy(text, pool_.block(run.block), size);
    }
    step->text_bytes = size;
}

base::Status Walk::escape(std::string_view prefix, std::string_view rest) {
    if (prefix.size() + rest.size() >= path_max_bytes)
        return base::error(ENAMETOOLONG);
    std::memcpy(thread_.escape_path, prefix.data(), prefix.size());
    std::memcpy(thread_.escape_path + prefix.size(), rest.data(), rest.size());
    thread_.escape_length = static_cast<unsigned>(prefix.size() + rest.size());
    thread_.escape_path[thread_.escape_length] = 0;
    return base::error(path_escapes);
}

// Puts the symlink's text before what stands behind it. EAGAIN: look in its directory again.
base::Status Walk::follow(InodeNumber link, const Moment &named_at, std::string_view behind) {
    if ((flags_ & walk_no_symlinks) != 0 || thread_.symlinks_followed >= max_symlinks)
        return base::error(ELOOP);
    Step step;
    if (!read(link, named_at, Want::symlink_text, {}, &step))
        return base::error(EAGAIN);
    BASE_TRY(step.status);
    ++thread_.symlinks_followed;
    char *text = thread_.path[buffer_];
    bool is_absolute = text[0] == '/';
    if (is_absolute && (flags_ & walk_beneath) != 0)
        return base::error(EXDEV);
    if (is_absolute && link_may_escape())
        return escape({text, step.text_bytes}, behind);
    // `behind` begins with the slash behind the link, or is empty.
    if (step.text_bytes + behind.size() >= walk_buffer_bytes)
        return base::error(ENAMETOOLONG);
    std::memcpy(text + step.text_bytes, behind.data(), behind.size());
    here_.rest = {text, step.text_bytes + behind.size()};
    buffer_ ^= 1;
    if (is_absolute)
        here_ = {top(), false, 0, {}, here_.rest};
    return {};
}

// The last component is known: reads what is to be told of the inode.
Walk::Outcome Walk::finish(const WalkResult &place, InodeNumber inode, const Moment &named_at,
                           base::Result<WalkResult> *result) {
    *result = place;
    if (inode == 0) {
        if ((flags_ & walk_create) == 0)
            *result = base::error(ENOENT);
        return Outcome::done;
    }
    Step step;
    if (!read(inode, named_at, Want::nothing, {}, &step))
        return Outcome::again;
    if (!step.status.ok()) {
        *result = step.status.error();
    } else if (place.wants_directory && !S_ISDIR(step.mode) && (flags_ & walk_create) == 0) {
        *result = base::error(ENOTDIR);
    } else {
        (*result)->inode = inode;
        // "." and "/" name a directory that the caller has, also when it has been removed: then as an open one.
        (*result)->generation = inode == place.parent && step.link_count == 0 ? 0 : step.generation;
        (*result)->type = static_cast<uint8_t>(IFTODT(step.mode));
    }
    return Outcome::done;
}

void Walk::start_over() {
    here_ = {path_.front() == '/' ? top() : start_, false, 0, {}, path_};
    before_ = here_;
    thread_.symlinks_followed = 0;
}

Walk::Outcome Walk::step(base::Result<WalkResult> *result) {
    size_t begin = here_.rest.find_first_not_of('/');
    if (begin == here_.rest.npos) { // "/", or a symlink to it
        WalkResult place;
        place.parent = here_.number;
        place.wants_directory = true;
        return finish(place, here_.number, {}, result);
    }
    std::string_view rest = here_.rest.substr(begin);
    std::string_view name = rest.substr(0, rest.find('/'));
    std::string_view behind = rest.substr(name.size());
    bool is_last = behind.find_first_not_of('/') == behind.npos;
    bool is_dots = name == "." || name == "..";
    auto fail = [&](base::Errno error) {
        *result = error;
        return Outcome::done;
    };

    Step step;
    if (!read(here_.number, here_.named_at, Want::child, is_dots ? std::string_view{} : name, &step)) {
        here_ = before_;
        return Outcome::again;
    }
    if (here_.is_known && (step.mode == 0 || step.generation != here_.generation)) {
        start_over(); // the directory is gone, perhaps replaced by another one
        return Outcome::again;
    }
    here_.is_known = true;
    here_.generation = step.generation;
    here_.named_at = {};
    if (!step.status.ok())
        return fail(step.status.error());
    if (name.size() > name_max_bytes)
        return fail(base::error(step.link_count == 0 ? ENOENT : ENAMETOOLONG)); // a removed directory has no names
    InodeNumber next = is_dots ? here_.number : step.child.inode;
    if (name == "..") {
        if (here_.number == start_ && (flags_ & walk_beneath) != 0)
            return fail(base::error(EXDEV));
        if (here_.number == root_ && may_escape() && changed_root_ != root_)
            return fail(escape("..", behind).error());
        if (here_.number != top() && here_.number != root_) {
            if (step.link_count == 0)
                return fail(base::error(ENOENT)); // a removed directory has left its parent
            next = step.parent;
        }
    }
    if (next == 0 && !is_last)
        return fail(base::error(ENOENT));
    bool is_link = !is_dots && next != 0 && step.child.type == DT_LNK;
    bool slash_follows = !behind.empty() && (flags_ & walk_create) == 0;
    if (is_link && (!is_last || (flags_ & walk_follow_last) != 0 || slash_follows)) {
        base::Status followed = follow(next, step.moment, behind);
        if (!followed.ok() && followed.error().number() != EAGAIN)
            return fail(followed.error());
        return Outcome::again;
    }
    if (is_last) {
        WalkResult place;
        place.parent = here_.number;
        place.parent_generation = here_.generation;
        place.name = name;
        place.wants_directory = !behind.empty();
        if (!is_dots && (flags_ & walk_create) != 0) {
            place.entry = step.child;
            place.looked_up_at = step.moment;
        }
        return finish(place, next, next == here_.number ? Moment{} : step.moment, result);
    }
    if (next == here_.number) {
        here_.rest = behind;
        return Outcome::again;
    }
    before_ = here_;
    here_ = {next, false, 0, step.moment, behind};
    return Outcome::again;
}

base::Result<WalkResult> Walk::run() {
    if (path_.empty())
        return base::error(ENOENT);
    if (path_.size() >= path_max_bytes)
        return base::error(ENAMETOOLONG);
    if (path_.front() == '/' && (flags_ & walk_beneath) != 0)
        return base::error(EXDEV);
    start_over();
    base::Result<WalkResult> result = base::error(ENOENT);
    while (step(&result) == Outcome::again) {
    }
    return result;
}

} // namespace

base::Result<WalkResult> walk(Thread &thread, InodeNumber start, std::string_view path, unsigned flags) {
    return Walk(thread, start, path, flags).run();
}

base::Result<size_t> directory_path(Thread &thread, InodeNumber directory, char *buffer, size_t size_bytes) {
    const Pool &pool = *thread.pool;
    // Built from its end; scratch that no other function works in at the same time.
    char *text = thread.path[0];
    char *name = thread.path[1];
    size_t begin = path_max_bytes;
    unsigned tries = 0;
    for (InodeNumber child = directory; !is_root(pool.superblock(), child);) {
        InodeNumber parent = 0;
        uint64_t hash = 0;
        base::Status status;
        for (ReadSection section(thread, child); section.next();) {
            const Inode *inode = pool.inode(child);
            status = inode == nullptr || inode->link_count == 0 ? base::Status(base::error(ENOENT)) : base::Status{};
            parent = inode == nullptr ? 0 : inode->parent;
            hash = inode == nullptr ? 0 : inode->name_hash;
            if (inode != nullptr && !S_ISDIR(inode->mode))
                status = base::error(ENOTDIR);
            if (section.valid())
                break;
        }
        BASE_TRY(status);
        size_t length = 0;
        for (ReadSection section(thread, parent); section.next();) {
            const Inode *inode = pool.inode(parent);
            auto found =
                inode == nullptr ? base::Result<size_t>(size_t{0}) : directory_name_of(pool, *inode, hash, child, name);
            status = found.ok() ? base::Status{} : base::Status(found.error());
            length = found.ok() ? *found : 0;
            if (section.valid())
                break;
        }
        BASE_TRY(status);
        if (length == 0) { // renamed between the two looks: begin again
            if (++tries == 1000)
                return base::error(EUCLEAN);
            child = directory;
            begin = path_max_bytes;
            continue;
        }
        if (length + 1 > begin)
            return base::error(ENAMETOOLONG);
        begin -= length;
        std::memcpy(text + begin, name, length);
        text[--begin] = '/';
        child = parent;
    }
    if (begin == path_max_bytes)
        text[--begin] = '/';
    size_t length = path_max_bytes - begin;
    if (length + 1 > size_bytes)
        return base::error(ERANGE);
    std::memcpy(buffer, text + begin, length);
    buffer[length] = 0;
    return length;
}

} // namespace pmemfile
