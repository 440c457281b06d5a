// The model's renames with flags.
#include "tests/model/directory_model.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>

namespace model_test {

using namespace pmemfile;

void DirectoryModel::exchange(const std::string &one, const std::string &other) {
    const std::string one_path = full(one), other_path = full(other);
    const int wanted = files_.contains(one) && files_.contains(other) ? 0 : ENOENT;
    expect(wanted, fs_rename(thread(), session_.at(one_path), session_.at(other_path), RENAME_EXCHANGE),
           mirror_.rename(one, other, RENAME_EXCHANGE), "exchange " + one + " " + other);
    if (wanted == 0)
        std::swap(files_[one], files_[other]);
}

void DirectoryModel::rename_no_replace(const std::string &from, const std::string &to) {
    const std::string from_path = full(from), to_path = full(to);
    const int wanted = !files_.contains(from) || !parent_exists(to) ? ENOENT : files_.contains(to) ? EEXIST : 0;
    expect(wanted, fs_rename(thread(), session_.at(from_path), session_.at(to_path), RENAME_NOREPLACE),
           mirror_.rename(from, to, RENAME_NOREPLACE), "rename, no replace, " + from + " " + to);
    if (wanted != 0)
        return;
    files_[to] = files_[from];
    files_.erase(from);
}

void DirectoryModel::exchange_directories(const std::string &one, const std::string &other) {
    const std::string one_path = full(one), other_path = full(other);
    const int wanted = directories_.contains(one) && directories_.contains(other) ? 0 : ENOENT;
    expect(wanted, fs_rename(thread(), session_.at(one_path), session_.at(other_path), RENAME_EXCHANGE),
           mirror_.rename(one, other, RENAME_EXCHANGE), "exchange " + one + " " + other);
    if (wanted == 0 && one != other)
        move_below({{one, other}, {other, one}});
}

} // namespace model_test
