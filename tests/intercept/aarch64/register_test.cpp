// register: what a hooked call leaves in AArch64's registers: everything but x0.
#include "tests/intercept/call_fixture.h"

#include <cstring>

namespace {

TEST_F(Call, GeneralRegistersAreKept) {
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        long registers[31];
        for (long i = 0; i < 31; i++)
            registers[i] = 0x0101010101010101 * (i + 1);
        site_registers(registers);
        for (long i = 1; i < 31; i++)
            if (i != 8) {
                EXPECT_EQ(registers[i], 0x0101010101010101 * (i + 1)) << i;
            }
        EXPECT_EQ(registers[8], SYS_getppid);
        if (behaviour == answer_42) {
            EXPECT_EQ(registers[0], 42);
        }
    }
}

TEST_F(Call, FlagsAreKept) {
    const long pairs[][2] = {{0, 0}, {1, 2}, {2, 1}, {INT64_MIN, 1}, {INT64_MAX, -1}, {-1, 1}};
    for (auto behaviour : {answer_42, pass, pass_post})
        for (const auto &pair : pairs) {
            catch_calls({0xffff});
            long expected = site_flags(pair[0], pair[1]);
            on_hook = behaviour;
            catch_calls({SYS_getppid});
            EXPECT_EQ(site_flags(pair[0], pair[1]), expected) << pair[0] << " " << pair[1];
            EXPECT_EQ(site_red_zone(), 1);
        }
}

TEST_F(Call, VectorStateIsKept) {
    alignas(16) uint8_t before[520];
    alignas(16) uint8_t after[520];
    for (size_t i = 0; i < 512; i++)
        before[i] = static_cast<uint8_t>(i * 7 + i / 64 + 1);
    const uint32_t control = 0x00c00000; // rounding towards zero
    const uint32_t status = 0x10;        // inexact
    memcpy(before + 512, &control, 4);
    memcpy(before + 516, &status, 4);
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        memcpy(after, before, sizeof after);
        site_vectors(after, 0);
        EXPECT_EQ(memcmp(before, after, sizeof after), 0);
    }
}

} // namespace
