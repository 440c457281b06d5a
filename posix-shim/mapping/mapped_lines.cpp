#include "posix-shim/mapping/mapped_lines.h"

#include "base/decimal.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_path.h"

#include <cstring>
#include <sys/mman.h>
#include <sys/sysmacros.h>

namespace shim {

using namespace pmemfile;

namespace {

// Of a line of the kernel's: where the name begins.
constexpr size_t name_column = 73;

// Text into the context's scratch; what does not fit is cut.
class Line {
public:
    explicit Line(char *to) : to_(to) {}
    Line &text(std::string_view text) {
        const size_t length = std::min(text.size(), path_max_bytes - length_);
        std::memcpy(to_ + length_, text.data(), length);
        length_ += length;
        return *this;
    }
    Line &hex(uint64_t value, unsigned least_digits) {
        char digits[16];
        unsigned at = sizeof digits;
        while (value != 0 || sizeof digits - at < least_digits) {
            digits[--at] = "0123456789abcdef"[value & 15];
            value >>= 4;
        }
        return text({digits + at, sizeof digits - at});
    }
    Line &pad_to(size_t column) {
        while (length_ < column)
            to_[length_++] = ' ';
        return *this;
    }
    char *end() {
        return to_ + length_;
    }
    size_t room() const {
        return path_max_bytes - length_;
    }
    void extend(size_t length) {
        length_ += length;
    }
    std::string_view whole() const {
        return {to_, length_};
    }

private:
    char *to_;
    size_t length_ = 0;
};

bool read_hex(std::string_view text, size_t &at, uint64_t *value) {
    const size_t begin = at;
    *value = 0;
    for (; at < text.size() && at < begin + 16; at++) {
        const char digit = text[at];
        if (digit >= '0' && digit <= '9')
            *value = *value << 4 | static_cast<uint64_t>(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            *value = *value << 4 | static_cast<uint64_t>(digit - 'a' + 10);
        else
            break;
    }
    return at > begin;
}

} // namespace

bool mapped_lines_are_there() {
    Mapping entry;
    PinnedFile file;
    return mapping_look(0, &entry, &file);
}

bool MappedLines::read_addresses(std::string_view line, uint64_t *begin, uint64_t *end, size_t *rest) {
    size_t at = 0;
    if (!read_hex(line, at, begin) || at >= line.size() || line[at++] != '-' || !read_hex(line, at, end) ||
        at >= line.size() || line[at] != ' ')
        return false;
    *rest = at;
    return true;
}

bool MappedLines::continues(const Mapping &entry, const PinnedFile &file) const {
    return joined_ && entry_.length_bytes != 0 && entry.address == entry_.end() && file.inode == file_.inode &&
           file.pool_key == file_.pool_key && entry.protection == entry_.protection && entry.shared == entry_.shared &&
           entry.first_block == entry_.block_at(entry.address);
}

std::string_view MappedLines::other_line(uint64_t begin, uint64_t end, std::string_view rest) {
    return Line(context_.symlink).hex(begin, 8).text("-").hex(end, 8).text(rest).whole();
}

std::string_view MappedLines::own_line() {
    const Mount &mount = mounts[file_.pool_key];
    Line line(context_.symlink);
    line.hex(entry_.address, 8).text("-").hex(entry_.end(), 8);
    const char protection[] = {' ',
                               (entry_.protection & PROT_READ) != 0 ? 'r' : '-',
                               (entry_.protection & PROT_WRITE) != 0 ? 'w' : '-',
                               (entry_.protection & PROT_EXEC) != 0 ? 'x' : '-',
                               entry_.shared ? 's' : 'p',
                               ' '};
    line.text({protection, sizeof protection}).hex(entry_.first_block * page_bytes, 8).text(" ");
    line.hex(gnu_dev_major(mount.device), 2).text(":").hex(gnu_dev_minor(mount.device), 2).text(" ");
    line.text(base::Decimal(file_.inode).text()).text(" ").pad_to(name_column);
    line.text(mount.is_reachable() ? mount.path() : mount.whole_path());
    const base::Result<Thread *> thread = context_thread(context_, static_cast<unsigned>(file_.pool_key));
    if (!thread.ok())
        return line.whole();
    const base::Result<size_t> name = fs_inode_path(**thread, file_.inode, file_.parent, line.end(), line.room());
    if (name.ok()) {
        line.extend(*name);
        return line.whole();
    }
    // As /proc/self/fd has it.
    const base::Result<Attributes> attributes = fs_attributes(**thread, file_.inode);
    line.text("/#inode:").text(base::Decimal(file_.inode).text());
    if (attributes.ok() && attributes->link_count == 0)
        line.text(" (deleted)");
    return line.whole();
}

} // namespace shim
