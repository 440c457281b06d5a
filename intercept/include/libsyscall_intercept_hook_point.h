/* libsyscall_intercept_hook_point: the interface of older hook libraries.
 *
 * A library that is written to this header and preloaded gets the system calls
 * of the process; link it with -lsyscall_intercept (pkg-config
 * libsyscall_intercept). New code uses pmemfile-intercept.h, which has several
 * hooks, sets of call numbers and filters; this is a thin layer over it.
 *
 * C, usable from C++. Environment, read once at load:
 *   INTERCEPT_HOOK_CMDLINE_FILTER  hook only in the program whose argv[0] has
 *                                  this last path component
 *   INTERCEPT_LOG                  file that gets a line for each call; a
 *                                  trailing '-' is replaced by "-" and the pid. A
 *                                  regular file or character device. Each line
 *                                  takes gettid, fstat and write: not for programs
 *                                  that kill on them by a seccomp filter
 *   INTERCEPT_LOG_TRUNC            0 = append to that file; else it starts empty
 *   INTERCEPT_ALL_OBJS             set (and not 0) = patch all objects that are
 *                                  loaded at start, not libc alone
 * Set-user-id programs ignore INTERCEPT_LOG. */
#ifndef LIBSYSCALL_INTERCEPT_HOOK_POINT_H
#define LIBSYSCALL_INTERCEPT_HOOK_POINT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Called for each intercepted call, on the thread and the stack of the caller;
 * NULL: nobody is called. 0 = handled, the caller gets *result (-errno style);
 * anything else = the kernel executes the call. May be set at any time by one
 * store, usually in a constructor. The function must not use malloc, stdio,
 * errno or locks the program may hold, nor libc's calls without expecting to be
 * called again for them: its own system calls go through
 * syscall_no_intercept(). */
extern int (*intercept_hook_point)(long nr, long a0, long a1, long a2, long a3, long a4, long a5, long *result);

/* Called after a clone or clone3 that made a child with a stack of its own
 * (threads above all): in the child on its new stack, and in the parent with
 * the child's pid. Either may be NULL. Not called when the hook handled the
 * call. Same rules as above. */
extern void (*intercept_hook_point_clone_child)(void);
extern void (*intercept_hook_point_clone_parent)(long pid);

/* The kernel's call `nr` with up to six arguments, each a long or a pointer;
 * never intercepted, errno is left alone. Returns the kernel's result, -errno on
 * failure. Any thread. */
long syscall_no_intercept(long nr, ...);

/* The errno in a raw result (1..4095), 0 if it is none. */
int syscall_error_code(long result);

/* Non-zero if this process is one that is to be hooked: no
 * INTERCEPT_HOOK_CMDLINE_FILTER, or it names this program. Any thread. */
int syscall_hook_in_process_allowed(void);

#ifdef __cplusplus
}
#endif
#endif
