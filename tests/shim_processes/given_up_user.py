# given_up_user.py MOUNT HOW: root gives its user id up (HOW: setuid, seteuid), for one that may neither open the pool's
# file nor go to the directory it lies in. As with a kernel's mount, that changes nothing but the permissions in the pool:
# its children have the mount, however they are made.
import fcntl, multiprocessing, os, signal, subprocess, sys

mount, how = sys.argv[1:3]
nobody = 65534
checks = 0


def expect(what, expected, got):
    global checks
    checks += 1
    if expected != got:
        print(f"{how}: {what}: expected {expected!r}, got {got!r}")
        sys.exit(1)


def number(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return -error.errno


def read(name):
    with open(f"{mount}/{name}") as file:
        return file.read()


def write(name, text):
    with open(f"{mount}/{name}", "w") as file:
        file.write(text)


def in_child(what, act):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    expect(what, 0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def output(words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    return done.stdout.decode(), done.returncode


os.makedirs(f"{mount}/{how}/own")
os.chown(f"{mount}/{how}/own", nobody, nobody)
os.chdir(f"{mount}/{how}/own")
mount = os.getcwd()
write("../secret", "for root alone")
os.chmod(f"{mount}/../secret", 0o600)
with open("/bin/cat", "rb") as source, open(f"{mount}/../program", "wb") as program:
    program.write(source.read())
os.chmod(f"{mount}/../program", 0o755)
with open(f"{mount}/../script", "w") as script:
    script.write("#!/bin/sh\necho script; cat f\n")
os.chmod(f"{mount}/../script", 0o755)

with multiprocessing.Pool(1) as workers:  # python's own files may be where only root may read
    workers.map(read, ["../secret"])
os.setgroups([])
if how == "setuid":
    os.setgid(nobody)
    os.setuid(nobody)
else:
    os.setegid(nobody)
    os.seteuid(nobody)

write("f", "one\n")
expect("the owner", nobody, os.stat("f").st_uid)
expect("what is root's", -13, number(os.open, "../secret", os.O_RDONLY))
in_child("fork", lambda: write("forked", read("f")))
expect("what the child wrote", "one\n", read("forked"))
in_child("fork in a fork", lambda: in_child("inner", lambda: in_child("innermost", lambda: write("deep", read("f")))))
expect("what the innermost wrote", "one\n", read("deep"))
in_child("root's in a child", lambda: expect("secret", -13, number(os.open, "../secret", os.O_RDONLY)))
if how == "setuid":  # (where real and effective user differ the loader takes no LD_PRELOAD)
    expect("vfork and exec", ("one\n", 0), output(["cat", "f"]))
    expect("vfork and exec by path", ("one\n", 0), output(["cat", f"{mount}/f"], cwd="/"))
    expect("fork and exec", ("one\n", 0), output(["cat", "f"], preexec_fn=lambda: None))
    expect("shells in shells", ("one\none\n", 0), output(["sh", "-c", "sh -c 'cat f; sh -c \"cat f; cp f copied\"; true'"]))
    expect("what they wrote", "one\n", read("copied"))
    expect("root's after exec", 1, output(["cat", "../secret"])[1])
    expect("a program of the pool", ("one\n", 0), output(["../program", "f"]))
    expect("a script of the pool", ("script\none\n", 0), output(["../script"]))
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "cat f >spawned"], os.environ)
    expect("posix_spawn", 0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    expect("what it wrote", "one\n", read("spawned"))
    expect("a fork after exec", ("one\n", 0), output(["sh", "-c", "(cat f; true) & wait"]))
with multiprocessing.Pool(4) as workers:
    expect("workers", ["one\n"] * 8, workers.map(read, ["f"] * 8))

# A daemon: double fork; it is nobody's child when it writes.
ready, done = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    write("daemon", read("f"))
    os.write(done, b"x")
    os._exit(0)
os.wait()
os.close(done)
expect("the daemon is ready", b"x", os.read(ready, 1))
expect("what the daemon wrote", "one\n", read("daemon"))

# Each of them has a life of its own: what a killed one held is given back, and what a dead parent had open is kept.
begin, told = os.pipe()
child = os.fork()
if child == 0:
    file = os.open("f", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.write(told, b"x")
    signal.pause()
os.read(begin, 1)
file = os.open("f", os.O_RDWR)
expect("a lock of the child", -11, number(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB))
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
expect("its lock when it is dead", None, number(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB))
os.close(file)

dead, gone = os.pipe()
child = os.fork()
if child == 0:
    file = os.open("f", os.O_RDWR)
    os.unlink("f")
    if os.fork() == 0:
        os.read(dead, 1)  # its parent is killed, and all that a dead process held has been looked for
        os.write(told, os.pread(file, 16, 0))
        os._exit(0)
    os.write(told, b"x")
    signal.pause()
os.read(begin, 1)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
for i in range(50):
    in_child("others come and go", lambda: write(f"other-{i}", "x" * 8192))
os.write(gone, b"x")
expect("an unlinked file of the dead parent", b"one\n", os.read(begin, 16))
print(f"{how}: {checks} checks")
