// seccomp: a program that locks itself up after it was patched. Whatever it may
// still call must work as before, hooked in any way, and we may call nothing else.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <csignal>
#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Ends as the child of fork ended: its status as waitpid gives it.
template <typename F> int status_of(F run) {
    pid_t child = fork();
    if (child == 0) {
        run();
        base::raw_syscall(SYS_exit, 77);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

// Kills the process on every call but write, getppid and the two exits.
void lock_up() {
    static sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog described = {sizeof program / sizeof *program, program};
    base::raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (base::raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, base::as_long(&described)) != 0)
        base::raw_syscall(SYS_exit_group, 78);
}

class Seccomp : public Call {};

TEST_F(Seccomp, StrictMode) {
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid, SYS_write, SYS_exit});
        bool answered = behaviour == answer_42;
        int status = status_of([answered] {
            base::raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
            if (answered && (getppid() != 42 || site_over() != 42))
                base::raw_syscall(SYS_exit, 1);
            if (!answered && (write(2, "", 0) != 0 || site_call(SYS_write, 2, base::as_long(""), 0, 0, 0) != 0))
                base::raw_syscall(SYS_exit, 2);
            if (!answered)
                site_call(SYS_exit, 0, 0, 0, 0, 0);
            base::raw_syscall(SYS_exit, 0);
        });
        EXPECT_TRUE(WIFEXITED(status)) << "killed by " << WTERMSIG(status);
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
}

// A hooked call may add no other one: membarrier, mprotect, gettid, anything.
TEST_F(Seccomp, FilterThatKillsOnEveryUnexpectedCall) {
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        catch_every_call();
        long parent = base::raw_syscall(SYS_getpid);
        int status = status_of([parent] {
            lock_up();
            for (int i = 0; i < 1000; i++)
                if (getppid() != parent || site_getppid() != parent || site_over() != parent ||
                    site_rip_relative() != parent)
                    site_call(SYS_exit_group, 1, 0, 0, 0, 0);
            if (write(2, "", 0) != 0)
                site_call(SYS_exit_group, 2, 0, 0, 0, 0);
            // Hooks and words come and go without a call of the kernel, too.
            long number = SYS_getppid;
            intercept_hook more{nullptr, answer_42, nullptr, -1, &number, 1};
            int id = intercept_add(&more);
            if (id < 0 || getppid() != 42 || intercept_remove(id) != 0 || getppid() != parent)
                site_call(SYS_exit_group, 3, 0, 0, 0, 0);
            _exit(0);
        });
        EXPECT_TRUE(WIFEXITED(status)) << "killed by " << WTERMSIG(status);
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
}

// What the filter forbids stays forbidden on every way but an answer.
TEST_F(Seccomp, ForbiddenCallsStillKill) {
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        catch_every_call();
        int status = status_of([] {
            lock_up();
            site_call(SYS_membarrier, 0, 0, 0, 0, 0);
        });
        EXPECT_TRUE(WIFSIGNALED(status));
        EXPECT_EQ(WTERMSIG(status), SIGSYS);
    }
    on_hook = answer_42;
    catch_calls({SYS_membarrier});
    int status = status_of([] {
        lock_up();
        base::raw_syscall(SYS_exit_group, site_call(SYS_membarrier, 0, 0, 0, 0, 0));
    });
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

} // namespace
