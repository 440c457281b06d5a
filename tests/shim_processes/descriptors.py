# Descriptors that leave their process, limits on their number; the same on tmpfs (compare_script.sh).
import array, ctypes, errno, fcntl, os, resource, socket, subprocess, sys, threading

os.chdir(sys.argv[1])
for name in 'abc':
    with open(name, 'w') as file:
        file.write('content of ' + name)


def opened(name, inheritable=True, flags=os.O_RDWR):
    file = os.open(name, flags)
    os.set_inheritable(file, inheritable)
    return file


print('== exec and spawn')
a, b, closed = opened('a'), opened('b'), opened('c', False)
os.lseek(a, 3, os.SEEK_SET)
reader = 'import os,sys\nfor f in sys.argv[1:]:\n  try: print(os.read(int(f), 100))\n  except OSError as e: print(e.errno)'
for how in ['fork', 'vfork', 'spawn']:
    os.lseek(a, 3, os.SEEK_SET), os.lseek(b, 0, os.SEEK_SET)
    arguments = [sys.executable, '-c', reader, str(a), str(b), str(closed)]
    sys.stdout.flush()
    if how == 'fork':
        child = os.fork()
        if child == 0:
            os.execv(sys.executable, arguments)
    elif how == 'spawn':
        child = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, closed, 0)])
    else:
        child = subprocess.Popen(arguments, close_fds=False).pid
    os.waitpid(child, 0)
    print(how, os.lseek(a, 0, os.SEEK_CUR))
print(subprocess.run(['cat'], stdin=opened('c', False), stdout=subprocess.PIPE).stdout)
print(subprocess.run('cat <&7; echo more >&7; cat c', shell=True, pass_fds=[7], stdout=subprocess.PIPE,
                     preexec_fn=lambda: os.dup2(opened('c'), 7)).stdout)

print('== through sockets')
one, two = socket.socketpair()
os.lseek(b, 4, os.SEEK_SET)
socket.send_fds(one, [b'x'], [a, b])
received = socket.recv_fds(two, 10, 5)[1]
print([os.read(file, 100) for file in received], os.lseek(b, 0, os.SEEK_CUR))
socket.send_fds(one, [b'x'], [opened('c')])
sys.stdout.flush()
if os.fork() == 0:
    file = socket.recv_fds(two, 10, 5)[1][0]
    print(os.read(file, 100))
    sys.stdout.flush()
    os._exit(0)
os.wait()
# While the sender execs, before anybody has taken it.
sys.stdout.flush()
if os.fork() == 0:
    file = opened('a', False)
    os.unlink('a')
    socket.send_fds(one, [b'x'], [file])
    os.close(file)
    os.set_inheritable(two.fileno(), True)
    os.execv(sys.executable, [sys.executable, '-c', '''if True:
        import os, socket, sys
        two = socket.socket(fileno=int(sys.argv[1]))
        print(os.read(socket.recv_fds(two, 10, 5)[1][0], 100))''', str(two.fileno())])
os.wait()
print(os.path.exists('a'))

print('== from one that has ended, and to nobody')
megabyte = b'm' * (1 << 20)


def blocks():
    return os.statvfs('.').f_bfree


# A file without a name in a socket, sent by a child that ends (or is killed) when it has sent.
def send_and_end(sends, end):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        file = os.open('going', os.O_CREAT | os.O_RDWR, 0o600)
        os.write(file, megabyte), os.unlink('going'), os.lseek(file, 5, os.SEEK_SET)
        for _ in range(sends):
            socket.send_fds(one, [b'x'], [file, file])
        end()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


before = blocks()
for end in [lambda: os._exit(0), lambda: os.kill(os.getpid(), 9)]:
    print(send_and_end(2, end))
    for _ in range(2):
        files = socket.recv_fds(two, 10, 5)[1]
        print([len(os.pread(file, 2 << 20, 0)) for file in files], len(os.read(files[0], 10)), os.lseek(files[1], 0, os.SEEK_CUR))
        [os.close(file) for file in files]
print(send_and_end(1, lambda: os._exit(0)))
for flags in [socket.MSG_PEEK, 0]:
    files = array.array('i')
    for level, kind, data in two.recvmsg(10, 100, flags)[1]:
        files.frombytes(data)
    print([len(os.pread(file, 2 << 20, 0)) for file in files])
    [os.close(file) for file in files]
# The kernel does not take it: nothing is on its way.
file = os.open('going', os.O_CREAT | os.O_RDWR, 0o600)
os.write(file, megabyte), os.unlink('going')
full, other = socket.socketpair()
full.setblocking(False)
try:
    while True:
        full.send(megabyte)
except BlockingIOError:
    pass
try:
    print(socket.send_fds(full, [b'x'], [file]))
except BlockingIOError as error:
    print(errno.errorcode[error.errno])
os.close(file)
subprocess.run(['true'])  # in a pool: who attaches next settles the one that was killed
# (The kernel's tmpfs is everybody's: what is free there changes while others run.)
print('PMEMFILE_POOLS' not in os.environ or before - blocks() < 200)
# Nobody ever takes it (compare_script.sh: the pool has no orphan afterwards).
print(send_and_end(1, lambda: os._exit(0)))
one.close(), two.close()

print('== numbers')
lowest = os.dup(0)
os.close(lowest)
files = [opened('b') for _ in range(10)]
print([file - lowest for file in files])
os.close(files[3]), os.close(files[5])
print([opened('b') - lowest for _ in range(3)])
print(fcntl.fcntl(files[0], fcntl.F_DUPFD, 100) >= 100, fcntl.fcntl(files[0], fcntl.F_GETFD), fcntl.fcntl(closed, fcntl.F_GETFD))
os.dup2(files[0], files[1]), os.lseek(files[0], 5, os.SEEK_SET)
print(os.lseek(files[1], 0, os.SEEK_CUR), os.lseek(files[2], 0, os.SEEK_CUR))
fcntl.fcntl(files[0], fcntl.F_SETOWN, os.getpid())
print(fcntl.fcntl(files[0], fcntl.F_GETOWN) == os.getpid(), fcntl.fcntl(files[2], fcntl.F_GETOWN))

print('== at the limit')
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
count = 0
try:
    while True:
        os.set_inheritable(os.open('b', os.O_RDONLY), count % 2 == 0)
        count += 1
except OSError as error:
    print(errno.errorcode[error.errno], 50 < count < 100)
os.lseek(b, 0, os.SEEK_SET)
sys.stdout.flush()
if os.fork() == 0:
    os.execv('/bin/cat', ['cat', '/dev/fd/%d' % b])
print(os.waitstatus_to_exitcode(os.wait()[1]))
sys.stdout.flush()
child = os.posix_spawn('/bin/cat', ['cat'], {}, file_actions=[(os.POSIX_SPAWN_DUP2, b, 0)])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

os.closerange(30, 100)

print('== numbers that a script names, under a low limit')
sys.stdout.flush()
for limit in 128, 64, 32, 20:
    command = 'ulimit -n %d; exec sh -c "exec 3<b 4<b 5<b 6<b 7<b 8<b 9<b; cat <&3; cat <&9"' % limit
    print(limit, subprocess.run(['sh', '-c', command], stdout=subprocess.PIPE).stdout)

print('== threads that open and close while others spawn')
stop, wrong = threading.Event(), []


def churn(number):
    name = 'thread%d' % number
    with open(name, 'w') as file:
        file.write(name)
    while not stop.is_set():
        file = os.open(name, os.O_RDONLY)
        if os.read(file, 100) != name.encode():
            wrong.append(name)
        os.close(file)


threads = [threading.Thread(target=churn, args=[number]) for number in range(3)]
[thread.start() for thread in threads]
good = 0
for _ in range(60):
    file = opened('b', False)
    good += subprocess.run(['/bin/cat'], stdin=file, stdout=subprocess.PIPE).stdout == b'content of b'
    os.close(file)
stop.set()
[thread.join() for thread in threads]
print(good, wrong)

print('== ioctl')
libc = ctypes.CDLL(None, use_errno=True)


def number(result):
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]


def ioctl(file, request, argument):
    return number(libc.ioctl(file, ctypes.c_ulong(request), argument))


for what, file in (('file', opened('b', False)), ('directory', os.open('.', os.O_RDONLY))):
    for name, request, shown in (('FIGETBSZ', 2, 4), ('FS_IOC_GETFLAGS', 0x80086601, 4), ('FS_IOC_FSGETXATTR', 0x801C581F, 28),
                                 ('FIOQSIZE', 0x5460, 0), ('FS_IOC_FIEMAP', 0xC020660B, 0), ('FIBMAP', 1, 0),
                                 ('FS_IOC_GETVERSION', 0x80087601, 0), ('no such', 0x6699, 0)):
        buffer = ctypes.create_string_buffer(b'\0' * 64)
        print(what, name, ioctl(file, request, buffer), buffer.raw[:shown].hex(), ioctl(file, request, ctypes.c_void_p(1)))
    print(what, 'FS_IOC_SETFLAGS', ioctl(file, 0x40086602, ctypes.byref(ctypes.c_int(0))), ioctl(file, 0x40086602, ctypes.byref(ctypes.c_int(1))))
    print(what, 'FS_IOC_FSSETXATTR', ioctl(file, 0x401C5820, ctypes.create_string_buffer(28)), ioctl(file, 0x401C5820, ctypes.c_void_p(1)))
    print(what, 'FIOASYNC', [ioctl(file, 0x5452, ctypes.byref(ctypes.c_int(on))) for on in (0, 1)], ioctl(file, 0x5452, ctypes.c_void_p(1)))
    print(what, 'F_SET_RW_HINT', [number(libc.fcntl(file, 1036, ctypes.byref(ctypes.c_uint64(hint)))) for hint in (0, 1, 5, 6)],
          number(libc.fcntl(file, 1036, ctypes.c_void_p(1))), number(libc.fcntl(file, 1035, ctypes.c_void_p(1))))

print('== below a descriptor of a directory outside')
os.makedirs('made/below')
with open('made/file', 'w') as file:
    file.write('below')
mount = os.getcwd()
outside = {'around': os.path.dirname(mount), 'further': os.path.dirname(os.path.dirname(mount)), 'elsewhere': os.environ['OTHER_DIRECTORY']}
for name, directory in outside.items():
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    to = os.path.relpath(mount, os.path.realpath(directory))
    for path in '/made/file', '/made/no', '/made/below', '/./made/../made/file', '/made/file/', '/made/below/..', '', '/':
        def tried(call):
            try:
                return call(to + path)
            except OSError as error:
                return errno.errorcode[error.errno]
        print(name, path, tried(lambda path: os.stat(path, dir_fd=at).st_ino != 0),
              tried(lambda path: sorted(os.listdir(os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)))),
              tried(lambda path: os.path.isdir(path) or os.read(os.open(path, os.O_RDONLY, dir_fd=at), 9)),
              tried(lambda path: os.access(path, os.W_OK, dir_fd=at)),
              tried(lambda path: os.chmod(path, 0o755, dir_fd=at)), tried(lambda path: os.utime(path, (1, 2), dir_fd=at)),
              tried(lambda path: os.readlink(path, dir_fd=at)))
    for kind, call in (('rename', lambda: os.rename(to + '/made/file', to + '/made/new', src_dir_fd=at, dst_dir_fd=at)),
                       ('link', lambda: os.link(to + '/made/new', to + '/made/file', src_dir_fd=at, dst_dir_fd=at)),
                       ('unlink', lambda: os.unlink(to + '/made/new', dir_fd=at)), ('again', lambda: os.unlink(to + '/made/new', dir_fd=at)),
                       ('rmdir', lambda: os.rmdir(to + '/made/below', dir_fd=at)), ('mkdir', lambda: os.mkdir(to + '/made/below', dir_fd=at))):
        print(name, kind, tried(lambda path: call()))
