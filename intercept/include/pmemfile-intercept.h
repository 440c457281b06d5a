/* pmemfile-intercept: catch the system calls of the process one runs in.
 *
 * Finds the `syscall` instructions of all loaded objects, patches the bytes
 * before each and hands the calls to registered hooks:
 *
 *   app ─ jmp ─► stub ─ number hooked? ─no──────────────────► syscall (untouched)
 *                          │yes
 *                          ▼
 *                        filter ─ PASS ────────────────────► syscall (untouched)
 *                          │SERVE
 *                          ▼
 *                         hook ─ PASS ─────────────────────► syscall
 *                          │   └ PASS_POST ─► syscall ─► post ─► behind the syscall
 *                          └ HANDLED ──────────────────────► behind the syscall
 *
 * C, usable from C++. Results and arguments are the kernel's own (-errno).
 * x86-64 Linux; aarch64 as far as docs/interception.md, Porting, says. docs/interception.md explains the mechanism. */
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INTERCEPT_API __attribute__((visibility("default")))

/* No register is saved for a filter: the function must carry
 * INTERCEPT_FILTER_FUNCTION, and what it calls INTERCEPT_GENERAL_REGS_ONLY at
 * least (each such call costs it the saving of eight registers). */
#define INTERCEPT_GENERAL_REGS_ONLY __attribute__((target("general-regs-only")))
#if defined(__x86_64__)
#define INTERCEPT_KEEPS_REGISTERS __attribute__((no_caller_saved_registers))
#else
#define INTERCEPT_KEEPS_REGISTERS /* the entry saves them: no compiler has this there */
#endif
#define INTERCEPT_FILTER_FUNCTION INTERCEPT_GENERAL_REGS_ONLY INTERCEPT_KEEPS_REGISTERS

/* One system call on its way. Lives on the stack of the calling thread, only
 * for the time of the callback. */
struct intercept_call {
    long nr;            /* call number, 0..65535 */
    long args[6];       /* rdi rsi rdx r10 r8 r9; aarch64: x0..x5 */
    long result;        /* what the app gets; valid in post, set by hook for HANDLED */
    const void *site;   /* opaque; the address of the syscall instruction is
                           intercept_call_address() */
    const void *opaque; /* the interceptor's own */
};

enum intercept_filter_answer {
    INTERCEPT_FILTER_PASS = 0, /* not ours: at once to the untouched syscall */
    INTERCEPT_FILTER_SERVE = 1 /* call `hook` */
};

enum intercept_hook_answer {
    INTERCEPT_HANDLED = 0,  /* the app gets call->result; the kernel is not asked */
    INTERCEPT_PASS = 1,     /* the kernel executes the (possibly changed) call */
    INTERCEPT_PASS_POST = 2 /* the same, then `post` runs */
};

/* A registration. Functions must stay loaded. All callbacks run on the
 * caller's thread and stack, in the middle of any code: no malloc, no stdio, no
 * locks the app may hold, no errno, little stack, no x87/MMX instructions. Their
 * own system calls go through intercept_raw_syscall (or inline code of the same
 * object, which is never patched). They may be left by siglongjmp, and by the end of
 * the thread; an exception that leaves one ends the process, with a message.
 *
 * filter: NULL = always SERVE. Runs first; an INTERCEPT_FILTER_FUNCTION; must
 *   not change anything in the call.
 * hook: vector state is safe. May change nr and args for the kernel; after the
 *   call the app sees its own registers again. (Exception: a changed fork,
 *   vfork, clone or clone3 leaves the changed registers; its nr may not change.)
 * post: runs after the kernel's call; may change `result`. May be NULL if the
 *   hook never returns INTERCEPT_PASS_POST.
 *   For fork/vfork/clone/clone3 it runs in the parent and in the child (result
 *   0), in the child on the child's stack, for every registration of that
 *   number that has a post as soon as one hook asked for it. Nothing is kept on
 *   the stack or in TLS over such a call, so vfork and CLONE_VM children are
 *   safe; what hook wrote to `opaque` is not there any more.
 *   rt_sigreturn can not be hooked: it always passes.
 * priority: lower runs first; equal ones in order of registration. The first
 *   HANDLED ends the row. */
struct intercept_hook {
    int (*filter)(const struct intercept_call *call) INTERCEPT_KEEPS_REGISTERS;
    int (*hook)(struct intercept_call *call);
    void (*post)(struct intercept_call *call);
    int priority;
    const long *calls; /* call numbers; read during intercept_add only */
    size_t call_count; /* 0 with calls NULL: every number */
    unsigned flags;    /* INTERCEPT_COUNTED or 0 */
};

/* Calls that are in this hook are counted, so that intercept_remove_and_wait can tell
 * when there are none. Costs each of its calls about 20 ns. Its callbacks must not be
 * left by siglongjmp or by the end of the thread: they would count as inside for ever. */
#define INTERCEPT_COUNTED 1u

/* Registers a hook (copied). Returns its id (>= 0), -ENOSPC when 7 are
 * registered, -EINVAL for a missing hook function or a bad number. Takes effect
 * at once, for patched sites. This and the functions that change a registration may
 * be called from any thread at any time, also from several at once, but not in a
 * signal handler or a hook. A hook is never called for a number that it does
 * not have. */
INTERCEPT_API int intercept_add(const struct intercept_hook *hook);

/* Replaces the set of call numbers of `id` (NULL, 0: every number).
 * 0, or -EINVAL. */
INTERCEPT_API int intercept_set_calls(int id, const long *calls, size_t call_count);

/* A filter without a function, for hooks that tell their calls by a small number
 * in the first argument (a descriptor): a call of one of `calls` whose first
 * argument, as 32 bits, is below `count` and has words[argument] ==
 * INTERCEPT_WORD_PASS passes at once; filter and hook are not asked. Any other
 * call goes the usual way. The words may change at any time, one atomic store
 * each, and stay readable for ever. Used while this hook is the only one that
 * wants the number, and only where the code around the site leaves the flags
 * alone; the filter must therefore give the same answer. One hook of a process
 * can have words.
 * 0, -EINVAL (bad id, count above INT32_MAX, number above 1023), -EBUSY
 * (another hook has words). A counted hook can not have any: -EINVAL. Any thread. */
#define INTERCEPT_WORD_PASS 1
INTERCEPT_API int intercept_set_words(int id, const uint64_t *words, size_t count, const long *calls,
                                      size_t call_count);

/* Among `calls` of intercept_set_words may be newfstatat, whose path decides first: with the very address `path` it
 * means its descriptor, and the word tells; with any other it goes the usual way. So is libc's fstat told from its
 * stat: it hands over an empty string of its own, whose address a hook learns from a call. The address must stay what
 * it is. Without one (NULL, as at first) words tell of calls without a path.
 * 0, or -EINVAL (`id` has no words). Any thread, also in a hook. */
INTERCEPT_API int intercept_set_word_path(int id, const char *path);

/* While suspended more often than resumed (around a vfork, say, whose child has
 * numbers of its own in the same memory) the words are not looked at. Any thread. */
INTERCEPT_API void intercept_suspend_words(void);
INTERCEPT_API void intercept_resume_words(void);
/* In a forked child: ends the suspensions of threads that stayed with the parent. */
INTERCEPT_API void intercept_end_suspensions(void);

/* Removes the hook. Calls that are inside it in other threads still finish
 * there, its post included, so its code must stay. (The post is lost if the same
 * place was filled again meanwhile, which takes a place that has been free longest.)
 * 0, or -EINVAL. */
INTERCEPT_API int intercept_remove(int id);

/* Removes a hook that is registered with INTERCEPT_COUNTED and waits until no thread is
 * in its filter, hook or post: then its code may be unloaded. 0; -EINVAL (bad id, or
 * not counted: nothing is done); -ETIMEDOUT: it is removed, but after `timeout_ms`
 * somebody still was inside. Not to be called by the hook itself. */
INTERCEPT_API int intercept_remove_and_wait(int id, unsigned timeout_ms);

/* Where calls are caught. Levels are independent of each other and add up. */
#define INTERCEPT_LEVEL_START 1u  /* level 0: objects that are loaded at intercept_start */
#define INTERCEPT_LEVEL_LOADED 2u /* level 1: objects that the loader maps later */
#define INTERCEPT_LEVEL_TRAP 4u   /* level 2: what is not patched, by Syscall User Dispatch (Linux 5.11) */
/* level 3: static programs that the process executes, by way of intercept-run */
#define INTERCEPT_LEVEL_LAUNCHER 8u
/* For the next intercept_start; a bit mask. The default is levels 0 and 1. The
 * environment has the last word: INTERCEPT_LEVELS=0,1 (digits of the levels; a
 * value that makes no sense is reported and ignored, and set-user-id programs
 * do not look). 0, or -EINVAL for no level or one that is not known. */
INTERCEPT_API int intercept_set_levels(unsigned levels);

/* Patches every object that is loaded now, except the vdso and the objects that
 * hold this library or one of the hooks' functions. Meant for a constructor,
 * before other threads exist; with other threads running only those sites are
 * patched where that is one atomic store over one instruction. A site that can
 * not be proven or patched is left alone: it slips past the hooks.
 * 0, or -errno if nothing could be patched at all. Calling it again is safe
 * and patches only objects that are new. */
INTERCEPT_API int intercept_start(void);

/* Which objects intercept_start patches. `wanted` is asked for each object that
 * is not ours: 0 = leave it alone; it is called on the thread of
 * intercept_start, and for objects that come later on the thread that loads them, in
 * the middle of dlopen: no malloc, no locks. NULL: all. Level 1 needs the loader
 * (ld-linux) among the wanted.
 * An object that was left alone can be patched by a later start. It costs a call
 * nothing, since sites that are not patched have no hook at all. (A hook that
 * only wants some of the patched objects compares intercept_call_address in its
 * filter.) 0 always. Not to be called from two threads at a time. */
struct intercept_object_info {
    const char *path;   /* as the loader names it, "" = the program */
    const char *soname; /* of its dynamic section, "" = none */
    const void *base;   /* load address: what is added to the file's addresses */
    const void *end;    /* behind its last mapped byte */
};
INTERCEPT_API int intercept_set_object_filter(int (*wanted)(const struct intercept_object_info *, void *),
                                              void *argument);

/* Counts over all objects. Any thread. */
struct intercept_statistics {
    size_t objects;        /* looked at */
    size_t plans_cached;   /* objects whose plan came from the cache */
    size_t sites_found;    /* places with the bytes 0f 05 */
    size_t patched_before; /* window before the instruction, which is untouched */
    size_t patched_over;   /* window includes the instruction */
    size_t vector_dead;    /* of the patched ones: no vector state to save */
    size_t unproven;       /* not shown to be an instruction: most are data */
    size_t window_unsafe;  /* an instruction, but no window that may be moved */
    size_t excluded;       /* rt_sigreturn */
    size_t failed;         /* proven, but memory or protection said no */
    int traps_on;          /* level 2 is at work */
    size_t trap_sites;     /* addresses whose calls have been trapped so far */
    size_t objects_later;  /* of the objects: loaded after intercept_start */
};
INTERCEPT_API void intercept_get_statistics(struct intercept_statistics *out);

enum intercept_site_state {
    INTERCEPT_SITE_BEFORE = 0,
    INTERCEPT_SITE_OVER = 1,
    INTERCEPT_SITE_UNPROVEN = 2,
    INTERCEPT_SITE_WINDOW_UNSAFE = 3,
    INTERCEPT_SITE_EXCLUDED = 4,
    INTERCEPT_SITE_FAILED = 5
};
struct intercept_site_info {
    const void *address; /* of the 0f 05 */
    const char *object;  /* path as the loader names it, "" = the program */
    int state;           /* enum intercept_site_state */
    long nr;             /* the number when the window fixes it, else -1 */
    int vector_dead;
    const char *why; /* why it is not patched; "" if it is */
};
/* Calls `visit` for each site until it returns non-zero; returns that, or 0. The
 * paths live as long as the object stays loaded. `visit` must not load or unload
 * objects. -EDEADLK in a visitor. */
INTERCEPT_API int intercept_visit_sites(int (*visit)(const struct intercept_site_info *, void *), void *argument);

/* Address of the syscall instruction that a call came from. */
INTERCEPT_API const void *intercept_call_address(const struct intercept_call *call);

/* Per-thread bypass: while the depth is above 0 this thread's calls pass.
 * enter/leave nest; a siglongjmp out of the pair must set the depth back. */
INTERCEPT_API int intercept_bypass_enter(void); /* returns the new depth */
INTERCEPT_API int intercept_bypass_leave(void);
INTERCEPT_API void intercept_bypass_set(int depth);

/* The kernel's call, never intercepted. -errno on failure. Any thread. */
INTERCEPT_API long intercept_raw_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

/* Level 3. Makes this process the program's, whose ELF file `descriptor` is open for reading, as
 * execve would, with the hooks that are registered; for a launcher, from its main thread, when it has no
 * others. `argv` is the one that main got. The program may be static: its libc is its own, and the hooks'
 * is ours. Its first call already comes to the hooks. Does not return but for an error:
 * -EINVAL (no descriptor or path; argv is not main's), -ENOSYS (no Syscall User Dispatch), -ENOEXEC,
 * -EEXIST (its address is taken), -ENOMEM. After one the process should end. */
INTERCEPT_API int intercept_run_program(int descriptor, const char *path, char **argv);

/* execveat(2) for hooks that execute programs themselves: under level 3 a static program is started by
 * intercept-run (INTERCEPT_LAUNCHER in the environment of intercept_start, else where it was installed), so that the
 * hook libraries in envp's LD_PRELOAD see its calls; so is one of Go's, static or not. Not set-id programs, nor
 * Valgrind's tools: what those execute loads the hook libraries itself. Comes back with -errno only. */
INTERCEPT_API long intercept_execute(int dirfd, const char *path, const char *const *argv, const char *const *envp,
                                     int flags);
/* Does intercept_execute do more than execveat? */
INTERCEPT_API int intercept_launches(void);
/* Is that program one which intercept_execute starts by intercept-run? (A script is not: the kernel starts its
 * interpreter, without the hooks if that is one; a hook that executes scripts looks at their interpreters itself.) */
INTERCEPT_API int intercept_launches_program(int dirfd, const char *path, int flags);

/* Signals that belong to the interceptor (a bit mask as in the kernel's sigset_t; SIGSYS under level 2,
 * else 0): hooks must neither block nor handle them. */
INTERCEPT_API uint64_t intercept_reserved_signals(void);

/* For hooks that end a thread or handle signals themselves; needed for programs run by
 * intercept_run_program, the plain thing elsewhere. A hook must not execute exit(2) itself but call
 * intercept_exit_thread. A signal handler of the hooks' own must begin with intercept_run_own_handler
 * (which calls the handler proper with our thread pointer), and call the program's by
 * intercept_run_program_handler. */
INTERCEPT_API void intercept_exit_thread(long status) __attribute__((noreturn));
#ifdef SA_SIGINFO /* not in strictly standard C */
INTERCEPT_API void intercept_run_own_handler(int number, siginfo_t *info, void *context,
                                             void (*handler)(int, siginfo_t *, void *));
INTERCEPT_API void intercept_run_program_handler(int number, siginfo_t *info, void *context,
                                                 void (*handler)(int, siginfo_t *, void *));
#endif

#ifdef __cplusplus
}
#endif
