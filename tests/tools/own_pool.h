// own_pool: a test with a pool of its own in /dev/shm, which its end closes and has checked.
#pragma once

#include "libpmemfile/include/pmemfile.hpp"
#include "tests/tools/closed_pool.h"

#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace tests {

class OwnPool : public testing::Test {
protected:
    // `name` tells its file from those of other tests.
    OwnPool(const char *name, size_t size_bytes)
        : path_(std::string("/dev/shm/pmemfile-") + name + "." + std::to_string(getpid())), size_bytes_(size_bytes) {}
    void SetUp() override {
        auto made = pmemfile::cpp::Pool::create(path_.c_str(), size_bytes_);
        ASSERT_TRUE(made.ok()) << pmemfile_errormsg();
        pool_ = std::move(*made);
    }
    void TearDown() override {
        pool_.close();
        expect_clean(path_);
        ::unlink(path_.c_str());
    }
    const std::string path_;
    const size_t size_bytes_;
    pmemfile::cpp::Pool pool_;
};

} // namespace tests
