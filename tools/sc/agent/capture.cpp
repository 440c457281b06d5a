#include "tools/sc/agent/capture.h"

#include "tools/sc/agent/call_shape.h"
#include "tools/sc/agent/user_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace sc {

using intercept::ArgumentCopy;
using intercept::ArgumentKind;

namespace {

constexpr unsigned vectors_max = 8;  // of a vector that are kept
constexpr unsigned strings_max = 24; // of argv
constexpr unsigned elements_max = 32;
constexpr unsigned address_bytes_max = 128;

struct CopyRule {
    ArgumentCopy copy;
    uint16_t size_bytes;
};
constexpr CopyRule copy_rules[] = {
#define KIND(name, copy, size) {ArgumentCopy::copy, size},
#include "intercept/calls/argument_kinds.def"
#undef KIND
};

// After these errors a path that the kernel got has been read: it was looked up.
bool proves_paths(long result) {
    switch (-result) {
    case ENOENT:
    case ENOTDIR:
    case EEXIST:
    case EISDIR:
    case ENOTEMPTY:
    case ELOOP:
    case EACCES:
    case EXDEV:
    case EROFS:
        return true;
    default:
        return result >= 0;
    }
}

// What the kernel wrote from `address` on was cut to the room there, and `size` is what it would have been: no more of
// it is certain than the page that it began in.
bool is_in_one_page(uint64_t address, uint64_t size) {
    constexpr uint64_t page_bytes = 4096;
    return size <= page_bytes - address % page_bytes;
}

// One call on its way into a list.
class Capturer {
public:
    Capturer(const intercept_call &call, CaptureList &list, bool is_before)
        : call_(call), list_(list), text_bytes_(segment->settings.text_bytes), is_before_(is_before),
          failed_(is_before || base::is_error(call.result)) {}

    void argument(unsigned i, ArgumentKind kind) {
        const CopyRule rule = copy_rules[static_cast<unsigned>(kind)];
        const auto address = static_cast<uint64_t>(call_.args[i]);
        if (kind == ArgumentKind::ioctl_argument_ || kind == ArgumentKind::fcntl_argument_ ||
            kind == ArgumentKind::prctl_argument_ || kind == ArgumentKind::futex_timeout_ ||
            kind == ArgumentKind::timespec_rest_) {
            by_command(i, kind, address);
            return;
        }
        if (rule.copy == ArgumentCopy::none || address == 0)
            return;
        const uint64_t next = i < 5 ? static_cast<uint64_t>(call_.args[i + 1]) : 0;
        switch (rule.copy) {
        case ArgumentCopy::path:
            // The second one has not been looked at where the first is the error.
            string(i, 0, address, path_bytes_max, !is_before_ && (path_seen_ ? !failed_ : proves_paths(call_.result)));
            path_seen_ = true;
            break;
        case ArgumentCopy::text:
            string(i, 0, address, text_bytes_, !failed_);
            break;
        case ArgumentCopy::in_bytes:
            in_bytes(i, 0, address, next, proven_bytes());
            break;
        case ArgumentCopy::out_bytes:
            if (!failed_)
                bytes(i, 0, address, std::min(static_cast<uint64_t>(call_.result), next), true);
            break;
        case ArgumentCopy::in_fixed:
            list_.add(i, 0, address, rule.size_bytes, false, !failed_ && !is_ignored(kind));
            break;
        case ArgumentCopy::out_fixed:
            if (!failed_)
                list_.add(i, 0, address, rule.size_bytes, false, !is_ignored(kind));
            break;
        case ArgumentCopy::in_counted:
            elements(i, address, next, rule.size_bytes, !failed_);
            break;
        case ArgumentCopy::out_counted:
            if (!failed_ && !is_ignored(kind))
                elements(i, address, static_cast<uint64_t>(call_.result), rule.size_bytes, true);
            break;
        case ArgumentCopy::in_listed:
            elements(i, address, i > 0 ? static_cast<uint64_t>(call_.args[i - 1]) : 0, rule.size_bytes, !failed_);
            break;
        case ArgumentCopy::in_set:
            if (auto bits = static_cast<uint64_t>(call_.args[0]); !failed_ && bits <= 1024)
                list_.add(i, 0, address, (bits + 63) / 64 * 8, false,
                          bits <= 64); // the kernel reads up to its table's end
            break;
        case ArgumentCopy::in_vector:
        case ArgumentCopy::out_vector:
            vector(i, 0, address, next, rule.copy == ArgumentCopy::out_vector);
            break;
        case ArgumentCopy::in_message:
        case ArgumentCopy::out_message:
            message(i, address, rule.copy == ArgumentCopy::out_message);
            break;
        case ArgumentCopy::in_address:
            list_.add(i, 0, address, std::min<uint64_t>(next & 0xffffffff, address_bytes_max), false, !failed_);
            break;
        case ArgumentCopy::out_address:
        case ArgumentCopy::out_option:
            if (!failed_ && next != 0) {
                const unsigned size = std::min(*reinterpret_cast<const uint32_t *>(next), address_bytes_max);
                list_.add(i, 0, address, size, false, is_in_one_page(address, size));
            }
            break;
        case ArgumentCopy::strings:
            strings(i, address);
            break;
        case ArgumentCopy::entries:
            if (!failed_)
                entries(i, address);
            break;
        case ArgumentCopy::none:
            break;
        }
    }

private:
    // The call succeeds without a look at its argument of this kind.
    bool is_ignored(ArgumentKind kind) const {
        switch (call_.nr) {
        case SYS_epoll_ctl:
            return call_.args[1] == EPOLL_CTL_DEL;
        case SYS_getgroups:
            return call_.args[0] == 0;
        case SYS_wait4:
            return call_.result == 0; // nobody has ended
        case SYS_waitid:
            return kind == ArgumentKind::rusage_out_; // the same, which the result does not tell
        default:
            return false;
        }
    }

    // Of an input buffer, what the kernel has certainly read.
    uint64_t proven_bytes() const {
        if (failed_)
            return 0;
        switch (call_.nr) {
        case SYS_write:
        case SYS_pwrite64:
        case SYS_sendto:
            return static_cast<uint64_t>(call_.result);
        default:
            return UINT64_MAX; // took all of it
        }
    }

    void bytes(unsigned i, unsigned index, uint64_t address, uint64_t size, bool proven) {
        list_.add(i, index, address, std::min<uint64_t>(size, text_bytes_), size > text_bytes_, proven);
    }

    void in_bytes(unsigned i, unsigned index, uint64_t address, uint64_t size, uint64_t proven) {
        bytes(i, index, address, size, std::min<uint64_t>(size, text_bytes_) <= proven);
    }

    void string(unsigned i, unsigned index, uint64_t address, size_t limit, bool proven) {
        long length = proven ? static_cast<long>(strnlen(reinterpret_cast<const char *>(address), limit))
                             : read_string(nullptr, address, limit);
        if (length < 0) {
            list_.is_unreadable = true;
            return;
        }
        bool is_cut = static_cast<size_t>(length) == limit;
        list_.add(i, index, address, static_cast<uint64_t>(length), is_cut, proven);
    }

    void elements(unsigned i, uint64_t address, uint64_t count, unsigned size, bool proven) {
        list_.add(i, 0, address, std::min<uint64_t>(count, elements_max) * size, count > elements_max, proven);
    }

    void vector(unsigned i, unsigned index, uint64_t address, uint64_t count, bool is_out) {
        count &= 0xffffffff;
        const uint64_t kept = std::min<uint64_t>(count, vectors_max);
        list_.add(i, index, address, kept * sizeof(iovec), count > kept, !failed_);
        iovec copy[vectors_max];
        if (failed_) {
            if (is_out || read_memory(copy, address, kept * sizeof(iovec)) != kept * sizeof(iovec))
                return;
        } else {
            memcpy(copy, reinterpret_cast<const void *>(address), kept * sizeof(iovec));
        }
        // How far the kernel came.
        uint64_t left = failed_ ? (is_out ? 0 : UINT64_MAX) : static_cast<uint64_t>(call_.result);
        for (unsigned k = 0; k < kept; k++) {
            const uint64_t size = is_out ? std::min<uint64_t>(copy[k].iov_len, left) : copy[k].iov_len;
            const auto base = reinterpret_cast<uint64_t>(copy[k].iov_base);
            if (is_out)
                bytes(i, index + 1 + k, base, size, true);
            else
                in_bytes(i, index + 1 + k, base, size, failed_ ? 0 : left);
            left -= std::min<uint64_t>(copy[k].iov_len, left);
        }
    }

    // Index 0: the structure, 1: the address, 2: the vector, 3..: its buffers.
    void message(unsigned i, uint64_t address, bool is_out) {
        msghdr header;
        list_.add(i, 0, address, sizeof header, false, !failed_);
        if (failed_) {
            if (is_out || read_memory(&header, address, sizeof header) != sizeof header)
                return;
        } else {
            memcpy(&header, reinterpret_cast<const void *>(address), sizeof header);
        }
        if (header.msg_name != nullptr && header.msg_namelen > 0)
            list_.add(i, 1, reinterpret_cast<uint64_t>(header.msg_name),
                      std::min(header.msg_namelen, address_bytes_max), false,
                      !failed_ && is_in_one_page(reinterpret_cast<uint64_t>(header.msg_name), address_bytes_max));
        vector(i, 2, reinterpret_cast<uint64_t>(header.msg_iov), header.msg_iovlen, is_out);
    }

    // argv, read before exec: nobody has looked at it yet.
    void strings(unsigned i, uint64_t address) {
        if (!is_before_)
            return;
        for (unsigned k = 0;; k++) {
            uint64_t one = 0;
            if (read_memory(&one, address + k * sizeof one, sizeof one) != sizeof one) {
                list_.is_unreadable = true;
                return;
            }
            if (one == 0)
                return;
            if (k == strings_max) {
                list_.add(i, k, one, 0, true, true); // "..."
                return;
            }
            string(i, k, one, text_bytes_, false);
        }
    }

    // Directory entries: only their number is shown.
    void entries(unsigned i, uint64_t address) {
        uint64_t count = 0;
        for (long at = 0; at + 18 < call_.result; count++) {
            uint16_t length;
            memcpy(&length, reinterpret_cast<const char *>(address) + at + 16, sizeof length);
            if (length == 0)
                break;
            at += length;
        }
        list_.add(i, part_number, count, 0, false, true);
    }

    void by_command(unsigned i, ArgumentKind kind, uint64_t address) {
        if (address == 0)
            return;
        size_t size = 0;
        bool is_out = false;
        const auto command = static_cast<unsigned>(call_.args[1]);
        switch (kind) {
        case ArgumentKind::ioctl_argument_:
            switch (command) {
            case TCGETS:
                size = 36;
                is_out = true;
                break;
            case TCSETS:
            case TCSETSW:
            case TCSETSF:
                size = 36;
                break;
            case TIOCGWINSZ:
            case TIOCSWINSZ:
                size = 8;
                is_out = command == TIOCGWINSZ;
                break;
            case FIONREAD:
            case TIOCGPGRP:
            case TIOCGPTN:
            case TIOCGSID:
                size = 4;
                is_out = true;
                break;
            case FIONBIO:
            case FIOASYNC:
            case TIOCSPGRP:
            case TIOCSPTLCK:
                size = 4;
                break;
            default:
                break;
            }
            break;
        case ArgumentKind::fcntl_argument_:
            if (command == F_GETLK || command == F_SETLK || command == F_SETLKW || command == F_OFD_GETLK ||
                command == F_OFD_SETLK || command == F_OFD_SETLKW)
                size = sizeof(struct flock);
            break;
        case ArgumentKind::prctl_argument_:
            if (call_.args[0] == PR_SET_NAME)
                string(i, 0, address, 16, !failed_);
            if (call_.args[0] == PR_GET_NAME && !failed_)
                string(i, 0, address, 16, true);
            break;
        case ArgumentKind::futex_timeout_: {
            const long operation = call_.args[1] & FUTEX_CMD_MASK;
            if (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
                operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI) {
                // Read before anything else is looked at, except by an error of the address.
                list_.add(i, 0, address, 16, false, !failed_ || call_.result == -ETIMEDOUT || call_.result == -EAGAIN);
            }
            break;
        }
        case ArgumentKind::timespec_rest_:
            if (call_.result == -EINTR)
                list_.add(i, 0, address, 16, false, true);
            break;
        default:
            break;
        }
        if (size != 0 && (!is_out || !failed_))
            list_.add(i, 0, address, size, false, !failed_);
    }

    const intercept_call &call_;
    CaptureList &list_;
    const uint64_t text_bytes_;
    const bool is_before_;
    const bool failed_;
    bool path_seen_ = false;
};

} // namespace

void CaptureList::add(unsigned argument, unsigned index, uint64_t address, uint64_t size_bytes, bool is_cut,
                      bool is_proven) {
    if (count == captures_max)
        return;
    items[count++] = {address,
                      static_cast<uint32_t>(size_bytes),
                      static_cast<uint8_t>(argument),
                      static_cast<uint8_t>(index),
                      is_cut,
                      is_proven};
    parts_bytes += sizeof(Part) + ((size_bytes + 7) & ~size_t{7});
}

void list_captures(const intercept_call &call, bool is_before, CaptureList &list) {
    if (call.nr < 0 || call.nr >= static_cast<long>(intercept::call_number_limit))
        return;
    const CallShape &shape = shapes.calls[call.nr];
    Capturer capturer(call, list, is_before);
    for (unsigned i = 0; i < shape.count; i++)
        if (copy_rules[static_cast<unsigned>(shape.kinds[i])].copy != ArgumentCopy::none ||
            shape.kinds[i] >= ArgumentKind::clone_arguments_)
            capturer.argument(i, shape.kinds[i]);
}

void copy_captures(const CaptureList &list, Record &record) {
    char *to = reinterpret_cast<char *>(&record + 1);
    record.part_count = 0;
    for (unsigned k = 0; k < list.count; k++) {
        const Capture &item = list.items[k];
        auto *part = reinterpret_cast<Part *>(to);
        char *data = reinterpret_cast<char *>(part + 1);
        *part = {item.argument, item.index, item.is_cut, item.size_bytes};
        if (item.size_bytes == 0) {
            if (item.index == part_number)
                part->is_cut = static_cast<uint16_t>(std::min<uint64_t>(item.address, 0xffff));
        } else if (item.is_proven) {
            memcpy(data, reinterpret_cast<const void *>(item.address), item.size_bytes);
        } else if (read_memory(data, item.address, item.size_bytes) != item.size_bytes) {
            record.flags |= record_unreadable;
            continue; // its room stays unused
        }
        record.part_count++;
        to += sizeof(Part) + ((item.size_bytes + 7) & ~size_t{7});
    }
    if (list.is_unreadable)
        record.flags |= record_unreadable;
}

} // namespace sc
