// number_desk: tells agents in other pid namespaces who they are, in our numbers.
#pragma once

#include <cstdint>
#include <string>

namespace sc {

class NumberDesk {
public:
    NumberDesk() = default;
    NumberDesk(const NumberDesk &) = delete;
    NumberDesk &operator=(const NumberDesk &) = delete;
    ~NumberDesk() {
        close();
    }
    // A socket at `path`. False with errno set.
    bool open(const std::string &path);
    void close();
    // To be polled for reading; -1 when closed.
    int descriptor() const {
        return socket_;
    }
    // Answers everybody who has come.
    void answer() const;

private:
    std::string path_;
    int socket_ = -1;
};

} // namespace sc
