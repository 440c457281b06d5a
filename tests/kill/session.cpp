#include "tests/kill/session.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <unistd.h>

namespace kill_test {

using namespace pmemfile;

std::string left_files;

void give_up(const std::string &what) {
    std::fprintf(stderr, "%s[%d]: %s\n", program_invocation_short_name, getpid(), what.c_str());
    if (!left_files.empty())
        std::fprintf(stderr, "%s[%d]: left for a look: %s\n", program_invocation_short_name, getpid(),
                     left_files.c_str());
    std::_Exit(1); // workers end with their parent
}

void expect_ok(const base::Status &status, const std::string &what) {
    if (!status.ok())
        give_up(what + ": " + std::strerror(status.error().number()));
}

AttachedPool::AttachedPool(const std::string &path) : pool_(std::make_unique<Pool>()) {
    AttachOptions options;
    options.container_describe = container_describe;
    ContainerMessage message;
    if (!pool_attach(*pool_, path.c_str(), options, &message).ok())
        give_up(std::string("attach: ") + message.text);
}

AttachedPool::~AttachedPool() {
    pool_detach(*pool_);
}

Session::Session(AttachedPool &pool) : attached_(pool), thread_(std::make_unique<Thread>()) {
    expect_ok(thread_register(*thread_, *pool), "no thread slot");
}

Session::~Session() {
    thread_release(*thread_);
}

unsigned chosen_seed() {
    if (const char *text = std::getenv("PMEMFILE_TEST_SEED"))
        return static_cast<unsigned>(std::strtoul(text, nullptr, 10));
    return std::random_device()();
}

} // namespace kill_test
