// register: what a hooked call leaves in the registers, the flags and the stack.
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/vector_level.h"
#include "tests/intercept/call_fixture.h"

#include <cstring>
#include <sys/syscall.h>

namespace {

TEST_F(Call, GeneralRegistersAreKept) {
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        long registers[16];
        for (long i = 0; i < 16; i++)
            registers[i] = 0x0101010101010101 * (i + 1);
        site_registers(registers);
        for (long i = 1; i < 15; i++)
            if (i != 2 && i != 10) { // rcx and r11 are the kernel's to destroy
                EXPECT_EQ(registers[i], 0x0101010101010101 * (i + 1)) << i;
            }
    }
}

TEST_F(Call, FlagsRedZoneAndDirectionAreKept) {
    const long pairs[][2] = {{0, 0}, {1, 2}, {2, 1}, {INT64_MIN, 1}, {INT64_MAX, -1}, {-1, 1}, {3, 0}};
    for (auto behaviour : {answer_42, pass, pass_post}) {
        for (const auto &pair : pairs) {
            catch_calls({0xffff});
            long expected = site_flags(pair[0], pair[1]);
            on_hook = behaviour;
            catch_calls({SYS_getppid});
            EXPECT_EQ(site_flags(pair[0], pair[1]), expected) << pair[0] << " " << pair[1];
        }
        EXPECT_EQ(site_red_zone(), 1);
        EXPECT_EQ(site_direction(), 1);
        EXPECT_EQ(site_alignment(), 1);
    }
}

TEST_F(Call, VectorStateIsKept) {
    alignas(64) uint8_t before[2112];
    alignas(64) uint8_t after[2112];
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = static_cast<uint8_t>(i * 7 + i / 64 + 1);
    long levels = intercept_vector_level >= VECTOR_AVX512BW ? 3 : intercept_vector_level >= VECTOR_AVX ? 2 : 1;
    for (auto behaviour : {answer_42, pass, pass_post})
        for (long level = 1; level <= levels; level++) {
            on_hook = behaviour;
            catch_calls({SYS_getppid});
            memcpy(after, before, sizeof after);
            site_vectors(after, level);
            EXPECT_EQ(memcmp(before, after, sizeof after), 0) << "level " << level;
        }
}

// The C side runs as the ABI says, whatever the app had set.
TEST_F(Call, HookFindsTheStateThatTheAbiPromises) {
    static uint64_t flags;
    static uint64_t frame;
    on_hook = [](intercept_call *call) -> int {
        asm volatile("pushfq\n pop %0" : "=r"(flags));
        frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
        call->result = 42;
        return INTERCEPT_HANDLED;
    };
    catch_calls({SYS_getppid});
    for (auto *call : {site_direction, site_alignment}) {
        flags = ~uint64_t{0};
        EXPECT_EQ(call(), 1);
        EXPECT_EQ(flags & 0x40400, 0u) << "direction and alignment check are off in a hook";
        EXPECT_EQ(frame % 16, 0u);
    }
}

// x87 and MXCSR are not saved, but nothing of ours touches them either.
TEST_F(Call, FloatStateIsKept) {
    alignas(16) static uint8_t before[512];
    alignas(16) static uint8_t after[512];
    constexpr size_t vectors_offset = 160; // the rest of the image has a test of its own
    site_float(before);
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        memset(after, 0, sizeof after);
        site_float(after);
        catch_calls({0xffff});
        EXPECT_EQ(memcmp(before, after, vectors_offset), 0);
    }
    EXPECT_EQ(before[4], 0xff) << "all eight registers are full";
    EXPECT_EQ(before[0] | before[1] << 8, 0x0f7f);
    EXPECT_EQ(before[24] | before[25] << 8, 0x5fa1);
}

} // namespace
