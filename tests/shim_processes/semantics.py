# Limits, flags, poll, daemons, ids: what Linux says of them; the same on tmpfs (compare_script.sh).
import ctypes, errno, fcntl, os, resource, select, signal, stat, struct, subprocess, sys, threading, time

os.chdir(sys.argv[1])
signal.alarm(60)


def tried(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])


with open('file', 'w') as file:
    file.write('0123456789')

libc = ctypes.CDLL(None, use_errno=True)


def answer(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), '')
    return result


# Two bytes by io_submit: its answer, and the completion's.
def submitted(file, offset):
    context = ctypes.c_ulong(0)
    answer(libc.syscall(206, 1, ctypes.byref(context)))
    block = ctypes.create_string_buffer(64)
    data = ctypes.create_string_buffer(b'xy', 2)
    struct.pack_into('QIIHhIQQq', block, 0, 7, 0, 0, 1, 0, file, ctypes.addressof(data), 2, offset)
    event = (ctypes.c_longlong * 4)()
    taken = answer(libc.syscall(209, context, ctypes.c_long(1), ctypes.byref(ctypes.c_void_p(ctypes.addressof(block)))))
    answer(libc.syscall(208, context, ctypes.c_long(1), ctypes.c_long(1), event, None))
    answer(libc.syscall(207, context))
    return taken, event[0], event[2]


def spliced(file, offset):
    reader, writer = os.pipe()
    os.write(writer, b'0123456789')
    place = ctypes.c_longlong(offset)
    moved = answer(libc.syscall(275, reader, None, file, ctypes.byref(place), ctypes.c_size_t(10), 0))
    return moved, place.value, os.read(reader, 20)


print('== RLIMIT_FSIZE')
caught = []
LIMIT = 100000
signal.signal(signal.SIGXFSZ, lambda number, frame: caught.append(number))
resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY)) # of this output too
file = os.open('limited', os.O_RDWR | os.O_CREAT)
for what, call in [('write', lambda: os.write(file, b'x' * (LIMIT + 50))), ('write on', lambda: os.write(file, b'y')),
                   ('pwrite', lambda: os.pwrite(file, b'z', LIMIT)), ('pwrite before', lambda: os.pwrite(file, b'z' * 20, LIMIT - 10)),
                   ('ftruncate', lambda: os.ftruncate(file, LIMIT + 1)), ('ftruncate to it', lambda: os.ftruncate(file, LIMIT)),
                   ('truncate', lambda: os.truncate('limited', LIMIT + 100)), ('posix_fallocate', lambda: os.posix_fallocate(file, 0, LIMIT + 100)),
                   ('sendfile', lambda: os.sendfile(file, os.open('file', os.O_RDONLY), 0, 5)),
                   ('writev', lambda: os.writev(file, [b'x', b'y'])), ('io_submit', lambda: submitted(file, LIMIT)),
                   ('io_submit before', lambda: submitted(file, LIMIT - 1)), ('splice', lambda: spliced(file, LIMIT)),
                   ('splice before', lambda: spliced(file, LIMIT - 3)),
                   ('copy_file_range of nothing', lambda: os.copy_file_range(os.open('file', os.O_RDONLY), file, 5, 1000, LIMIT))]:
    del caught[:]
    tried(what, call)
    print(caught, os.fstat(file).st_size)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
sys.stdout.flush()
if os.fork() == 0:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.write(file, b'x')
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

print('== O_PATH, O_DIRECT, O_SYNC, O_NOATIME, O_ASYNC')
path = os.open('file', os.O_PATH)
for what, call in [('read', lambda: os.read(path, 1)), ('write', lambda: os.write(path, b'x')), ('ftruncate', lambda: os.ftruncate(path, 0)),
                   ('fchmod', lambda: os.fchmod(path, 0o600)), ('fstat', lambda: os.fstat(path).st_size), ('lseek', lambda: os.lseek(path, 0, 0)),
                   ('getfl', lambda: oct(fcntl.fcntl(path, fcntl.F_GETFL))), ('setfl', lambda: fcntl.fcntl(path, fcntl.F_SETFL, 0)),
                   ('fsync', lambda: os.fsync(path)), ('getxattr', lambda: os.getxattr(path, 'user.x')), ('dup', lambda: os.dup(path) > 0),
                   ('flock', lambda: fcntl.flock(path, fcntl.LOCK_SH)), ('getfd', lambda: fcntl.fcntl(path, fcntl.F_GETFD)),
                   ('lock', lambda: fcntl.lockf(path, fcntl.LOCK_SH)), ('ioctl', lambda: fcntl.ioctl(path, 0x541B)),
                   ('chdir', lambda: os.chdir(path)), ('listdir', lambda: os.listdir(path)), ('statvfs', lambda: os.fstatvfs(path).f_namemax)]:
    tried(what, call)
tried('open it', lambda: os.read(os.open('/proc/self/fd/%d' % path, os.O_RDONLY), 3))
for name in ['O_SYNC', 'O_DSYNC', 'O_DIRECT', 'O_NOATIME', 'O_NONBLOCK', 'O_APPEND', 'O_LARGEFILE', 'O_NOCTTY']:
    tried(name, lambda: oct(fcntl.fcntl(os.open('file', os.O_RDWR | getattr(os, name, 0o100000)), fcntl.F_GETFL)))
plain = os.open('file', os.O_RDWR)
for name in ['O_ASYNC', 'O_DIRECT', 'O_APPEND', 'O_NOATIME', 'O_SYNC', 'O_NONBLOCK']:
    tried('set ' + name, lambda: (fcntl.fcntl(plain, fcntl.F_SETFL, getattr(os, name, 0o20000)), oct(fcntl.fcntl(plain, fcntl.F_GETFL))))
if os.geteuid() == 0:
    sys.stdout.flush()
    if os.fork() == 0:
        os.setgroups([]), os.setgid(12345), os.setuid(12345)
        tried('O_NOATIME of another\'s', lambda: os.open('file', os.O_RDONLY | os.O_NOATIME) > 0)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
else:
    print("O_NOATIME of another's EPERM")

print('== poll, select, epoll')
poll = select.poll()
poll.register(plain, select.POLLIN | select.POLLOUT | select.POLLPRI)
print([event for number, event in poll.poll(0)], [len(each) for each in select.select([plain], [plain], [plain], 0)])
epoll = select.epoll()
for what, name in [('file', 'file'), ('directory', '.')]:
    tried(what, lambda: epoll.register(os.open(name, os.O_RDONLY), select.EPOLLIN))
tried('not there', lambda: epoll.unregister(plain))

print('== a daemon')
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.umask(0o77)
        null = os.open('/dev/null', os.O_RDWR)
        [os.dup2(null, number) for number in range(3)]
        os.closerange(3, writer), os.closerange(writer + 1, 500)
        with open('pid', 'w') as file:
            file.write('daemon')
        os.mkdir('daemons')
        os.write(writer, oct(os.stat('pid').st_mode).encode())
        os._exit(0)
    os._exit(0)
os.close(writer)
print(os.read(reader, 100), os.wait()[1], open('pid').read())

print('== job control')
# It stops itself, between two calls: who is stopped from outside may be inside one, and then holds up who
# wants the same file (docs/limits.md; tests/hazards).
child = subprocess.Popen(['sh', '-c', 'while :; do echo x >>stopped; kill -STOP $$; done'], start_new_session=True)
for size in [2, 4, 6]:
    print(os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1]), os.stat('stopped').st_size == size)
    time.sleep(0.1)
    print(os.stat('stopped').st_size == size)
    os.killpg(child.pid, signal.SIGCONT)
os.waitpid(child.pid, os.WUNTRACED)
os.killpg(child.pid, signal.SIGKILL)
print(child.wait())

print('== ids followed')
if os.geteuid() == 0:
    os.chmod('.', 0o755)
    os.mkdir('private', 0o750), os.chown('private', 0, 5)
    open('private/file', 'w').close()
    sys.stdout.flush()
    if os.fork() == 0:
        os.setgroups([5]), os.setresgid(77, 77, 77), os.seteuid(1000)
        tried('in the group', lambda: os.listdir('private'))
        os.seteuid(0), os.setgroups([]), os.seteuid(1000)
        tried('not in the group', lambda: os.listdir('private'))
        tried('make', lambda: os.mkdir('made'))
        os.seteuid(0)
        tried('root again', lambda: os.listdir('private'))
        os.setfsuid(1000) if hasattr(os, 'setfsuid') else ctypes.CDLL(None).setfsuid(1000)
        tried('by fsuid', lambda: os.mkdir('private/made'))
        sys.stdout.flush()
        os._exit(0)
    os.wait()

print('== null and empty paths of a descriptor')
target = os.open('file', os.O_RDWR)
room = ctypes.create_string_buffer(256)
empty = ctypes.create_string_buffer(b'')
for flags in 0, 0x1000, 0x100, 0x1100:
    for path in None, empty:
        for name, number, words in (('fchownat', 260, (-1, -1, flags)), ('fchmodat2', 452, (0o644, flags)), ('utimensat', 280, (None, flags)),
                                    ('newfstatat', 262, (room, flags)), ('statx', 332, (flags, 0x7ff, room)),
                                    ('faccessat2', 439, (4, flags)), ('readlinkat', 267, (room, 256)),
                                    ('linkat', 265, (target, b'new-%d' % flags, flags)), ('execveat', 322, (None, None, flags)),
                                    ('openat', 257, (flags & 0,)), ('unlinkat', 263, (0,)), ('mkdirat', 258, (0o755,)),
                                    ('futimesat', 261, (None,)), ('symlinkat', 266, ())):
            for file in target, 999:
                order = (b'text', file, path) if name == 'symlinkat' else (file, path) + words
                tried('%s %#x %s %s' % (name, flags, 'null' if path is None else 'empty', file == target), lambda: answer(libc.syscall(number, *order)))

print('== calls on a descriptor alone know no working directory')
for name, number in ('fstat', 5), ('fstatfs', 138), ('fchmod', 91), ('flistxattr', 196), ('fsync', 74):
    tried(name, lambda: answer(libc.syscall(number, -100, room, 0)))

print('== fork with threads that are inside calls')
stop = threading.Event()


def work(number):
    while not stop.is_set():
        with open('work%d' % number, 'w') as file:
            file.write('x' * 5000)
        os.rename('work%d' % number, 'done%d' % number)


threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
[thread.start() for thread in threads]
good = 0
for number in range(40):
    child = os.fork()
    if child == 0:
        with open('child%d' % number, 'w') as file:
            file.write('child')
        os._exit(os.stat('child%d' % number).st_size)
    good += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
stop.set()
[thread.join() for thread in threads]
print(good)
