#include "tools/sc/number_desk.h"

#include "tools/sc/agent/segment.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace sc {
namespace {

// The thread of `process` whose number in its innermost namespace is `inner`; the process itself if there is none.
int32_t thread_of(int32_t process, int32_t inner) {
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task", error)) {
        std::ifstream status(entry.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("NSpid:") && line.find_last_of(" \t") != std::string::npos &&
                atoi(line.c_str() + line.find_last_of(" \t") + 1) == inner)
                return atoi(entry.path().filename().c_str());
    }
    return process;
}

} // namespace

bool NumberDesk::open(const std::string &path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, path.c_str());
    socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0)
        return false;
    const mode_t mask = umask(0177); // as the segment
    const bool is_bound = bind(socket_, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0;
    umask(mask);
    if (is_bound)
        path_ = path;
    if (is_bound && listen(socket_, 128) == 0)
        return true;
    const int reason = errno;
    close();
    errno = reason;
    return false;
}

void NumberDesk::close() {
    if (socket_ >= 0)
        ::close(socket_);
    if (!path_.empty())
        unlink(path_.c_str());
    socket_ = -1;
    path_.clear();
}

void NumberDesk::answer() const {
    while (true) {
        const int guest = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
        if (guest < 0)
            return;
        // The question follows at once; who does not ask it holds nobody up.
        const timeval limit = {0, 100000};
        setsockopt(guest, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ucred peer = {};
        socklen_t size = sizeof peer;
        int32_t inner = 0;
        if (getsockopt(guest, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0 &&
            recv(guest, &inner, sizeof inner, MSG_WAITALL) == sizeof inner) {
            const SeenNumbers numbers = {peer.pid, thread_of(peer.pid, inner)};
            send(guest, &numbers, sizeof numbers, MSG_NOSIGNAL);
        }
        ::close(guest);
    }
}

} // namespace sc
