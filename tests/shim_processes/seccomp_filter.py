# seccomp_filter.py DIRECTORY: a process that has installed a seccomp filter (as man does before it reads a page) goes on to
# fork, and its children to execute programs of the host. Filters answer ENOSYS, or EPERM, to calls that open a file for
# writing or make one, that change ids and the umask. Printed is what the same does on tmpfs.
import ctypes, os, struct, subprocess, sys

os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
openat, umask, setfsuid, setfsgid = 257, 95, 122, 123
# What of openat's flags is forbidden: any writing; or only to make a file, O_TMPFILE (which has O_DIRECTORY's bit) too.
no_writing, no_making = os.O_ACCMODE, os.O_CREAT | os.O_TMPFILE


def install(forbidden_flags, error):
    def step(code, true, false, value):
        return struct.pack("HBBI", code, true, false, value)

    load, equal, bits, leave = 0x20, 0x15, 0x45, 0x06
    program = [step(load, 0, 0, 0)]  # the call's number
    for number in (umask, setfsuid, setfsgid):
        program += [step(equal, 0, 1, number), step(leave, 0, 0, 0x50000 | error)]
    program += [
        step(equal, 0, 3, openat),
        step(load, 0, 0, 16 + 2 * 8),  # its flags
        step(bits, 0, 1, forbidden_flags),
        step(leave, 0, 0, 0x50000 | error),
        step(leave, 0, 0, 0x7FFF0000),
    ]
    text = ctypes.create_string_buffer(b"".join(program))
    filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(text)))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def in_child(what, act):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            sys.stdout.flush()
            code = 0
        except OSError as problem:
            print(what, os.strerror(problem.errno), flush=True)
        finally:
            os._exit(code)
    print(what, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def read(name):
    with open(name) as file:
        return file.read()


def run(words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, **options)
    return done.stdout, done.returncode


def filtered(forbidden_flags, error):
    log = open("log", "a")
    install(forbidden_flags, error)
    print(read("text"))
    log.write("parent\n")
    log.flush()

    def child():
        print(read("text"), os.path.getsize("text"))
        log.write("child\n")
        log.flush()
        for i in range(3):  # those of its kind, at a time
            in_child("grandchild", lambda: log.write(f"grandchild {i}\n") and log.flush())
        os.rename("text", "moved")
        os.rename("moved", "text")

    in_child("child", child)
    children = [os.fork() for i in range(4)]
    if 0 in children:
        os._exit(7 if read("text") == "text" else 8)
    print([os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children])
    print(run(["/bin/echo", "executed"]), run(["/bin/cat"], input=b"through a pipe"))
    print(run(["/bin/sh", "-c", "echo a shell; /bin/echo its child; exit 3"]))
    in_child("exec", lambda: os.execv("/bin/echo", ["echo", "no fork"]))
    if forbidden_flags == no_making:  # the program opens as it likes: it has the mount
        print(run(["/bin/cat", "text"]), run(["/bin/sh", "-c", "read line <text; /bin/cat text - <text"]))
    with open("text") as file:
        print(file.read())


with open("text", "w") as file:
    file.write("text")
for forbidden in (no_writing, no_making):
    for error in (38, 1):
        print("==", forbidden, error)
        in_child("filtered", lambda: filtered(forbidden, error))
        print(read("log"), run(["/bin/cat", "text"]))
