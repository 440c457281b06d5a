// Text in the environment: hexadecimal numbers, each with a comma behind it.
//
//   process,mark of the pools,count,{pool fd,liveness fd,slot,incarnation,segment's nonce,}...,cwd mount +
//   1,inode,holder, root mount + 1,inode,holder,address space,count,{mount,inode of lost locks,}...,name
#include "posix-shim/process/settings.h"

#include <cstring>

namespace shim {
namespace {

class Writer {
public:
    Writer(char *to, size_t size_bytes) : to_(to), size_bytes_(size_bytes) {}
    void text(std::string_view text) {
        for (const char character : text)
            if (length_ + 1 < size_bytes_)
                to_[length_++] = character;
        to_[length_] = 0;
    }
    void number(uint64_t value) {
        char digits[17];
        unsigned at = sizeof digits;
        digits[--at] = ',';
        do {
            digits[--at] = "0123456789abcdef"[value & 15];
            value >>= 4;
        } while (value != 0 && at > 0);
        text({digits + at, sizeof digits - at});
    }

private:
    char *to_;
    size_t size_bytes_;
    size_t length_ = 0;
};

class Reader {
public:
    explicit Reader(const char *text) : text_(text) {}
    uint64_t number() {
        uint64_t value = 0;
        const char *begin = text_;
        for (;; text_++) {
            const char digit = *text_;
            if (digit >= '0' && digit <= '9')
                value = value << 4 | static_cast<uint64_t>(digit - '0');
            else if (digit >= 'a' && digit <= 'f')
                value = value << 4 | static_cast<uint64_t>(digit - 'a' + 10);
            else
                break;
        }
        ok_ = ok_ && text_ != begin && *text_ == ',';
        if (ok_)
            text_++;
        return value;
    }
    const char *rest() const {
        return text_;
    }
    bool ok() const {
        return ok_;
    }

private:
    const char *text_;
    bool ok_ = true;
};

} // namespace

void handover_write(char *to, const Handover &handover) {
    Writer writer(to, handover_bytes);
    writer.text(handover_variable);
    writer.number(static_cast<uint64_t>(handover.process));
    writer.number(handover.pools_mark);
    writer.number(handover.place_count);
    for (unsigned i = 0; i < handover.place_count; i++) {
        writer.number(static_cast<uint64_t>(handover.places[i].pool_descriptor));
        writer.number(static_cast<uint64_t>(handover.places[i].liveness_descriptor));
        writer.number(handover.places[i].process_slot);
        writer.number(handover.places[i].incarnation);
        writer.number(handover.nonces[i]);
    }
    for (const WorkingDirectory &directory : {handover.directory, handover.root}) {
        writer.number(static_cast<uint64_t>(directory.mount + 1));
        writer.number(directory.inode);
        writer.number(directory.holder);
    }
    writer.number(handover.address_space_bytes);
    writer.number(handover.lost_count);
    for (unsigned i = 0; i < handover.lost_count; i++) {
        writer.number(handover.lost[i].mount);
        writer.number(handover.lost[i].inode);
    }
    writer.text(handover.command_name);
}

bool handover_read(const char *text, Handover &handover) {
    Reader reader(text);
    handover.process = static_cast<long>(reader.number());
    handover.pools_mark = reader.number();
    handover.place_count = static_cast<unsigned>(reader.number());
    if (!reader.ok() || handover.place_count > max_mounts)
        return false;
    for (unsigned i = 0; i < handover.place_count; i++) {
        handover.places[i].pool_descriptor = static_cast<int>(reader.number());
        handover.places[i].liveness_descriptor = static_cast<int>(reader.number());
        handover.places[i].process_slot = static_cast<uint32_t>(reader.number());
        handover.places[i].incarnation = reader.number();
        handover.nonces[i] = reader.number();
    }
    const auto count = static_cast<int>(handover.place_count);
    for (WorkingDirectory *directory : {&handover.directory, &handover.root}) {
        directory->mount = static_cast<int>(reader.number()) - 1;
        directory->inode = reader.number();
        directory->holder = reader.number();
        if (directory->mount >= count)
            return false;
    }
    handover.address_space_bytes = reader.number();
    handover.lost_count = static_cast<unsigned>(reader.number());
    if (handover.lost_count > max_lost_locks)
        return false;
    for (unsigned i = 0; i < handover.lost_count; i++) {
        handover.lost[i].mount = static_cast<unsigned>(reader.number());
        handover.lost[i].inode = reader.number();
        if (handover.lost[i].mount >= handover.place_count)
            return false;
    }
    const char *name = reader.rest();
    for (unsigned i = 0; i + 1 < sizeof handover.command_name && name[i] != 0; i++)
        handover.command_name[i] = name[i];
    return reader.ok();
}

bool next_mount(std::string_view &rest, MountSetting &mount) {
    const std::string_view entry = rest.substr(0, rest.find(';'));
    rest.remove_prefix(entry.size() < rest.size() ? entry.size() + 1 : entry.size());
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos)
        return false;
    mount = {};
    mount.directory = entry.substr(0, equals);
    std::string_view options = entry.substr(equals + 1);
    mount.pool = options.substr(0, options.find(','));
    options.remove_prefix(mount.pool.size());
    while (!options.empty()) {
        options.remove_prefix(1); // the comma
        const std::string_view option = options.substr(0, options.find(','));
        options.remove_prefix(option.size());
        if (option == "ro" || option == "rw")
            mount.read_only = option == "ro";
        else
            mount.wrong_option = option.empty() ? std::string_view(",") : option;
    }
    return mount.directory.starts_with('/') && mount.pool.starts_with('/');
}

const char *environment_value(char **environment, std::string_view variable) {
    for (; environment != nullptr && *environment != nullptr; environment++)
        if (std::string_view(*environment).starts_with(variable))
            return *environment + variable.size();
    return nullptr;
}

void environment_remove(char **environment, std::string_view variable) {
    if (environment == nullptr)
        return;
    char **to = environment;
    for (char **from = environment; *from != nullptr; from++)
        if (!std::string_view(*from).starts_with(variable))
            *to++ = *from;
    *to = nullptr;
}

void environment_rename(char **environment, std::string_view from, std::string_view to) {
    if (environment_value(environment, from) == nullptr)
        return;
    environment_remove(environment, to);
    for (; *environment != nullptr; environment++)
        if (std::string_view(*environment).starts_with(from)) {
            *environment += from.size() - to.size();
            std::memcpy(*environment, to.data(), to.size());
        }
}

} // namespace shim
