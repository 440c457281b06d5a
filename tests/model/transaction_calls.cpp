// The model's transactions: several of its calls that are committed together or not at all. tmpfs has none: the calls
// are made there one by one, and are taken back by building its directory anew.
#include "libpmemfile/fs/orphan.h"
#include "tests/model/directory_model.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <utility>

namespace model_test {

using namespace pmemfile;

// A copy of its own of each file, which has as many names as it had.
DirectoryModel::State DirectoryModel::copy_of_state() const {
    State state{{}, directories_};
    std::map<const File *, FilePointer> copies;
    for (const auto &[name, file] : files_) {
        FilePointer &copy = copies[file.get()];
        if (copy == nullptr)
            copy = std::make_shared<File>(*file);
        state.files[name] = copy;
    }
    return state;
}

void DirectoryModel::restore(State state) {
    files_ = std::move(state.files);
    directories_ = std::move(state.directories);
    mirror_.clear();
    for (const std::string &directory : directories_)
        expect(0, {}, mirror_.mkdir(directory), "mkdir");
    std::map<const File *, std::string> made;
    for (const auto &[name, file] : files_) {
        const auto [first, is_new] = made.try_emplace(file.get(), name);
        if (!is_new) {
            expect(0, {}, mirror_.link(first->second, name), "link");
        } else if (file->is_symlink) {
            expect(0, {}, mirror_.symlink(file->bytes, name), "symlink");
        } else {
            expect(0, {}, mirror_.create(name), "create");
            expect(0, {}, mirror_.replace(name, file->bytes), "write");
            expect(0, {}, mirror_.chown(name, file->uid, file->gid), "chown");
            expect(0, {}, mirror_.chmod(name, file->mode), "chmod");
            const int64_t mtime_ns = file->mtime_ns.value_or(0);
            const struct timespec times[2] = {{0, UTIME_OMIT}, {mtime_ns / 1'000'000'000, mtime_ns % 1'000'000'000}};
            if (file->mtime_ns.has_value())
                expect(0, {}, mirror_.utimens(name, times), "utimens");
        }
    }
}

// While a transaction is open another thread sees nothing of it.
void DirectoryModel::compare_as_others_see(const State &state) {
    current_ = &witness_;
    Transaction *const open = std::exchange(transaction_, nullptr);
    for (const auto &[name, file] : state.files)
        if (below(4) == 0)
            compare_file(name, *file);
    transaction_ = open;
    current_ = &session_;
}

void DirectoryModel::transaction() {
    State before = copy_of_state();
    Transaction transaction;
    const base::Status begun = transaction.begin(thread(), orphan_collect);
    if (!begun.ok() && begun.error().number() == EAGAIN)
        return; // as many are open as can be
    expect(0, begun, "begin");
    transaction_ = &transaction;
    bool is_kept = below(3) != 0;
    int error_number = 0;
    try {
        for (unsigned count = 1 + below(8); count != 0; --count)
            call_in_transaction();
        if (below(2) == 0)
            compare_as_others_see(before);
    } catch (const Refused &) {
        error_number = transaction.refused();
    }
    if (is_kept) {
        const base::Status committed = transaction.commit(thread());
        const int number = committed.ok() ? 0 : committed.error().number();
        if (error_number != 0 && number != error_number)
            kill_test::give_up(path_ + ": a transaction that was refused has been committed");
        error_number = number;
    } else {
        transaction.abort(thread());
    }
    transaction_ = nullptr;
    if (error_number != 0 && error_number != EAGAIN && error_number != ENOBUFS)
        kill_test::give_up(path_ + ": commit: " + std::strerror(error_number));
    if (!is_kept || error_number != 0)
        restore(std::move(before));
    ++transactions_[!is_kept ? 1 : error_number == 0 ? 0 : 2];
    if (below(4) == 0)
        compare();
}

} // namespace model_test
