// closed_pool: the end of each test: a pool that everybody has left is attached once more, and the
// checker must find nothing in it.
#pragma once

#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/attach.h"

#include <gtest/gtest.h>
#include <string>

namespace tests {

inline void expect_clean(const std::string &path) {
    pmemfile::Pool pool;
    pmemfile::AttachOptions options;
    options.container_describe = pmemfile::container_describe;
    pmemfile::ContainerMessage message;
    const base::Status attached = pmemfile::pool_attach(pool, path.c_str(), options, &message);
    ASSERT_TRUE(attached.ok()) << message.text;
    const auto report = pmemfile::check_pool(pool.persist, pool.superblock_offset, false);
    for (const auto &problem : report.problems)
        ADD_FAILURE() << problem.structure << ": " << problem.text;
    EXPECT_EQ(report.blocks_leaked, 0u);
    EXPECT_EQ(report.orphans, 0u);
    pmemfile::pool_detach(pool);
}

} // namespace tests
