# Sockets, fifos, device nodes, splice, sendfile and io_submit; the same on tmpfs (compare_script.sh).
import ctypes, errno, fcntl, mmap, os, select, signal, socket, stat, struct, subprocess, sys, threading, time

os.chdir(sys.argv[1])
here = os.getcwd()
signal.alarm(60)


def tried(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])


def kind(path):
    return stat.filemode(os.lstat(path).st_mode)


print('== stream sockets')
os.umask(0o027)
listener = socket.socket(socket.AF_UNIX)
listener.bind('listener')
print(kind('listener'), listener.getsockname())
tried('bound twice', lambda: socket.socket(socket.AF_UNIX).bind('listener'))
tried('not listening', lambda: socket.socket(socket.AF_UNIX).connect('listener'))
listener.listen(5)
os.mkdir('directory')
os.symlink('../listener', 'directory/link')
os.link('listener', 'hard')
for name in ['listener', here + '/listener', 'directory/link', './directory/../listener', 'hard']:
    client = socket.socket(socket.AF_UNIX)
    client.connect(name)
    server, address = listener.accept()
    print(name, repr(address), client.getpeername(), repr(client.getsockname()))
    client.sendall(b'question')
    print(server.recv(100))
    server.sendall(b'answer')
    print(client.recv(100))
    client.close(), server.close()
libc, longest, room = ctypes.CDLL(None), socket.socket(socket.AF_UNIX), ctypes.create_string_buffer(200)
print(libc.bind(longest.fileno(), struct.pack('H', socket.AF_UNIX) + b'n' * 108, 110), os.path.exists('n' * 108))
for room_bytes in 109, 110, 111, 200:
    size = ctypes.c_uint(room_bytes)
    print(libc.getsockname(longest.fileno(), room, ctypes.byref(size)), size.value, room.raw[:115])
longest.close(), os.unlink('n' * 108)
tried('none', lambda: socket.socket(socket.AF_UNIX).connect('none'))
tried('a file', lambda: (open('file', 'w').close(), socket.socket(socket.AF_UNIX).connect('file')))
tried('a directory', lambda: socket.socket(socket.AF_UNIX).connect('directory'))
tried('file in the way', lambda: socket.socket(socket.AF_UNIX).connect('file/x'))
tried('bind below none', lambda: socket.socket(socket.AF_UNIX).bind('none/x'))
tried('bind at a directory', lambda: socket.socket(socket.AF_UNIX).bind('directory'))
tried('bind an inet socket', lambda: socket.socket(socket.AF_INET).bind(('127.0.0.1', 0)))
tried('open it', lambda: os.open('listener', os.O_RDWR))
os.rename('listener', 'renamed')
tried('by its former name', lambda: socket.socket(socket.AF_UNIX).connect('listener'))
tried('by its new name', lambda: socket.socket(socket.AF_UNIX).connect('renamed'))
listener.close()
tried('nobody has it', lambda: socket.socket(socket.AF_UNIX).connect('renamed'))
os.unlink('renamed')
tried('one name is gone', lambda: socket.socket(socket.AF_UNIX).connect('renamed'))

print('== between processes, by an unrelated name')
code = '''
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"from a child")
print(s.recv(100).decode())
'''
listener = socket.socket(socket.AF_UNIX)
listener.bind(here + '/directory/absolute')
listener.listen(1)
child = subprocess.Popen([sys.executable, '-c', code, 'absolute'], cwd='directory', stdout=subprocess.PIPE)
server, _ = listener.accept()
print(server.recv(100))
server.sendall(b'to a child')
print(child.communicate()[0], child.returncode)

print('== datagrams')
one, other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind('one')
other.bind('other')
print(one.sendto(b'sendto', 'other'), other.recv(100))
print(one.sendmsg([b'send', b'msg'], [], 0, 'other'), other.recv(100))
other.sendto(b'back', other.recvfrom(100)[1] if one.sendto(b'who', 'other') else None)
print(one.recv(100))
class Message(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('name_length', ctypes.c_uint), ('vectors', ctypes.c_void_p), ('vector_count', ctypes.c_size_t),
                ('control', ctypes.c_void_p), ('control_length', ctypes.c_size_t), ('flags', ctypes.c_long), ('length', ctypes.c_uint)]


def send_many(*addresses):
    messages, keep = (Message * len(addresses))(), []
    for number, address in enumerate(addresses):
        name = ctypes.create_string_buffer(struct.pack('H', socket.AF_UNIX) + address + b'\0')
        text = ctypes.create_string_buffer(b'message %d' % number)
        vector = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(text), 9 + number))
        keep += [name, text, vector]
        messages[number] = Message(ctypes.addressof(name), len(name) - 1, ctypes.addressof(vector), 1, None, 0, 0, 0)
    sent = ctypes.CDLL(None, use_errno=True).sendmmsg(one.fileno(), messages, len(addresses), 0)
    print('sendmmsg', sent, [message.length for message in messages], errno.errorcode[ctypes.get_errno()] if sent < 0 else '')


send_many(b'other', b'other')
print(other.recv(100), other.recv(100))
send_many(b'other', b'none', b'other')
print(other.recv(100))
send_many(b'none', b'other')
tried('to none', lambda: one.sendto(b'x', 'none'))
os.chmod('other', 0)
if os.fork() == 0:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(12345), os.setuid(12345)
    tried('not allowed', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', here + '/other'))
    sys.stdout.flush()
    os._exit(0)
os.wait()

print('== addresses of bound peers')
LIBC = ctypes.CDLL(None, use_errno=True)


def address_of(call, descriptor, room):
    """The call's answer in a buffer of `room` bytes: what is in it, what is behind the room, and the length that is told."""
    buffer, length = ctypes.create_string_buffer(b'#' * 120, 120), ctypes.c_uint(room)
    if call == 'recvfrom':
        done = LIBC.recvfrom(descriptor, ctypes.create_string_buffer(10), 10, 0, buffer, ctypes.byref(length))
    elif call == 'accept4':
        done = LIBC.accept4(descriptor, buffer, ctypes.byref(length), socket.SOCK_CLOEXEC)
    else:
        done = getattr(LIBC, call)(descriptor, buffer, ctypes.byref(length))
    text = buffer.raw[:min(room, length.value)]
    return done >= 0, text, buffer.raw[room:].strip(b'#'), length.value, done


gate, peer_number = socket.socket(socket.AF_UNIX), 0
gate.bind(here + '/gate')
gate.listen(9)
for call in ['accept', 'accept4']:
    for room in [110, 20, 5, 1, 0]:
        peer = socket.socket(socket.AF_UNIX)
        peer_number += 1
        peer.bind('a peer with a rather long name, number %d' % peer_number)
        peer.connect('gate')
        *answer, accepted = address_of(call, gate.fileno(), room)
        print(call, room, answer)
        if call == 'accept':
            print(address_of('getpeername', accepted, room)[:4], address_of('getsockname', accepted, 110)[3] - len(here))
        os.close(accepted), peer.close()
peer, pair = socket.socket(socket.AF_UNIX), socket.socketpair()
peer.connect('gate')
print('not bound', address_of('accept', gate.fileno(), 110)[:4])
tried('no address asked for', lambda: (socket.socket(socket.AF_UNIX).connect('gate'), LIBC.accept(gate.fileno(), None, None) >= 0))
waiting = socket.socket(socket.AF_UNIX)
waiting.connect('gate')
print('bad length', LIBC.accept(gate.fileno(), ctypes.create_string_buffer(110), ctypes.c_void_p(1)), errno.errorcode[ctypes.get_errno()])
sink, source = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sink.bind('sink'), source.bind('source')
source.sendto(b'text', 'sink')
print('recvfrom', address_of('recvfrom', sink.fileno(), 110))
source.sendto(b'text', 'sink')
print(sink.recvmsg(100), pair[0].send(b'x'), pair[1].recvmsg(10), pair[0].send(b'y'), pair[1].recvfrom(10))
source.sendmsg([b'with a file'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('i', os.open('file', os.O_RDONLY)))], 0, 'sink')
text, control, _, address = sink.recvmsg(100, 100)
print(text, address, stat.filemode(os.fstat(struct.unpack('i', control[0][2])[0]).st_mode)[0])
inet = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for each in inet:
    each.bind(('127.0.0.1', 0))
inet[0].sendto(b'text', inet[1].getsockname())
print(inet[1].recvfrom(10)[1] == inet[0].getsockname())
for each in [gate, waiting, peer, *pair, sink, source, *inet]:
    each.close()

print('== fifos')
os.mkfifo('fifo')
print(kind('fifo'))


def writer():
    with open('fifo', 'w') as file:
        file.write('through the fifo\n')


thread = threading.Thread(target=writer)
thread.start()
print(open('fifo').read().strip())
thread.join()
tried('nobody reads', lambda: os.open('fifo', os.O_WRONLY | os.O_NONBLOCK))
reader = os.open('fifo', os.O_RDONLY | os.O_NONBLOCK)
tried('nobody writes', lambda: os.read(reader, 10))
child = subprocess.Popen(['sh', '-c', 'cd directory && echo from a shell >../fifo'])
print(select.select([reader], [], [])[0] == [reader], os.read(reader, 100), child.wait())
print(stat.filemode(os.fstat(reader).st_mode)[0], os.path.exists('fifo'))
os.close(reader)
both = os.open('fifo', os.O_RDWR)
print(os.write(both, b'both'), os.read(both, 100))
os.close(both)
tried('exclusively', lambda: os.open('fifo', os.O_CREAT | os.O_EXCL))
os.close(os.open('fifo', os.O_RDONLY | os.O_NONBLOCK | os.O_CREAT))
tried('as a directory', lambda: os.open('fifo', os.O_RDONLY | os.O_DIRECTORY))
path_only = os.open('fifo', os.O_PATH)
print(stat.filemode(os.fstat(path_only).st_mode))
os.unlink('fifo')
print(subprocess.run('mkfifo f; (echo 1; echo 2) >f & cat f; wait; rm f', shell=True, stdout=subprocess.PIPE).stdout)

print('== what an open fifo tells of itself')
os.umask(0)
os.mkfifo('p', 0o640)
both, reader = os.open('p', os.O_RDWR), os.open('p', os.O_RDONLY | os.O_NONBLOCK)


def same(status, path='p'):
    """Is it the file that the path leads to?"""
    named = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns) == (
        named.st_dev, named.st_ino, named.st_mode, named.st_uid, named.st_nlink, named.st_mtime_ns)


print(same(os.fstat(both)), same(os.fstat(reader)), os.fstat(both).st_size, stat.filemode(os.fstat(both).st_mode))
os.fchmod(both, 0o604)
print(stat.filemode(os.stat('p').st_mode), stat.filemode(os.fstat(reader).st_mode))
os.chmod('p', 0o622)
print(stat.filemode(os.fstat(both).st_mode), same(os.fstat(reader)))
tried('fchown', lambda: os.fchown(both, 12345 if os.geteuid() == 0 else -1, -1))
print(same(os.fstat(both)), os.stat('p').st_uid in (12345, os.geteuid()))
os.utime(both, ns=(1000000001, 2000000002))
print(os.stat('p').st_mtime_ns, os.fstat(reader).st_atime_ns, same(os.fstat(both)))
tried('xattr', lambda: os.getxattr(both, 'user.a'))
tried('set xattr', lambda: os.setxattr(both, 'user.a', b'b'))
tried('list xattr', lambda: os.listxattr(both))
if os.geteuid() == 0:
    os.setxattr(both, 'trusted.a', b'of the fifo')
print(os.getxattr('p', 'trusted.a') if os.geteuid() == 0 else b'of the fifo')
print(os.fstatvfs(both).f_blocks == os.statvfs('.').f_blocks, os.fstatvfs(both).f_files == os.statvfs('.').f_files)
extended = ctypes.create_string_buffer(256)
print(LIBC.statx(both, b'', 0x1000, 0xfff, extended), struct.unpack_from('H', extended, 0x1c)[0] == os.stat('p').st_mode,
      struct.unpack_from('Q', extended, 0x20)[0] == os.stat('p').st_ino)
link = '/proc/self/fd/%d' % both
print(os.readlink(link) == here + '/p', same(os.stat(link)), stat.filemode(os.lstat(link).st_mode)[0])
os.chmod(link, 0o600)
again = os.open(link, os.O_RDONLY | os.O_NONBLOCK)
print(same(os.fstat(again)), os.write(both, b'by all'), os.read(again, 100), os.access(link, os.W_OK))
copy = os.dup(both)
moved = os.dup2(reader, 100)
print(same(os.fstat(copy)), same(os.fstat(moved)), same(os.fstat(fcntl.fcntl(both, fcntl.F_DUPFD, 50))))
tell = 'import os, stat, sys; s = os.fstat(0); print(s.st_ino, s.st_dev, stat.filemode(s.st_mode), s.st_nlink, os.readlink("/proc/self/fd/0"))'
named = os.stat('p')
shown = subprocess.run([sys.executable, '-c', tell], stdin=both, stdout=subprocess.PIPE).stdout.decode().split()
print(shown == [str(named.st_ino), str(named.st_dev), stat.filemode(named.st_mode), '1', here + '/p'])
pair = socket.socketpair(socket.AF_UNIX)
pair[0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('i', both))])
passed = struct.unpack('i', pair[1].recvmsg(1, 100)[1][0][2])[0]
print(same(os.fstat(passed)), os.write(passed, b'passed'), os.read(both, 10))
if os.fork() == 0:
    os.fchmod(both, 0o666)
    os._exit(not same(os.fstat(passed)))
print(os.wait()[1], stat.filemode(os.fstat(both).st_mode))
tried('seek', lambda: os.lseek(both, 0, os.SEEK_SET))
tried('truncate', lambda: os.ftruncate(both, 0))
tried('sync', lambda: os.fsync(both))
tried('change directory', lambda: os.fchdir(both))
tried('as a directory', lambda: os.stat('x', dir_fd=both))
tried('write to the reader', lambda: os.write(reader, b'x'))
tried('pipe size', lambda: fcntl.fcntl(both, 1032) > 0)
tried('flags', lambda: fcntl.fcntl(reader, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK | os.O_PATH))
tried('in and out of a pipe', lambda: (os.write(both, b'spliced'), os.splice(both, (pipe := os.pipe())[1], 100), os.read(pipe[0], 100)))
poll = select.poll()
poll.register(both, select.POLLIN | select.POLLOUT)
print(poll.poll(0)[0][1] == select.POLLOUT)
os.symlink('p', 'to-p')
by_link = os.open('to-p', os.O_RDWR)
print(same(os.fstat(by_link)), os.readlink('/proc/self/fd/%d' % by_link) == here + '/p')
os.rename('p', 'directory/q')
print(same(os.fstat(both), 'directory/q'), os.readlink(link) == here + '/directory/q')
os.unlink('directory/q')
gone = os.fstat(both)
print(gone.st_nlink, gone.st_ino == named.st_ino, stat.filemode(gone.st_mode), os.readlink(link).endswith(' (deleted)'))
nameless = os.open(link, os.O_RDONLY | os.O_NONBLOCK)
os.write(both, b'without a name')
print(os.fstat(nameless).st_ino == gone.st_ino, os.fstat(nameless).st_nlink, os.read(nameless, 100))
os.close(nameless)
os.mkfifo('p', 0o600)
print(os.stat('p').st_ino != gone.st_ino, os.fstat(both).st_nlink)
os.fchmod(both, 0o606)
print(stat.filemode(os.stat('p').st_mode), stat.filemode(os.fstat(reader).st_mode))
nobody_waits = os.open('p', os.O_RDONLY | os.O_NONBLOCK)
os.close(nobody_waits)
file = os.open('file', os.O_RDWR)
print(nobody_waits == file, stat.filemode(os.fstat(file).st_mode)[0])
os.dup2(both, file)
print(stat.filemode(os.fstat(file).st_mode))
os.dup2(os.open('data', os.O_RDWR | os.O_CREAT), file)
print(stat.filemode(os.fstat(file).st_mode)[0])


class Interrupted(Exception):
    pass


def interrupt(*_):
    raise Interrupted


signal.signal(signal.SIGUSR1, interrupt)
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
try:
    os.open('p', os.O_WRONLY)
except Interrupted:
    print('interrupted while it waited')
other = os.open('data', os.O_RDWR)
print(stat.filemode(os.fstat(other).st_mode)[0])
for each in [both, reader, again, copy, moved, passed, by_link, other, file]:
    os.close(each)
os.unlink('p')

print('== device nodes')
if os.geteuid() == 0:
    os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    print(kind('null'), os.stat('null').st_rdev == os.makedev(1, 3))
else:
    print('crw-r----- True')
os.mknod('socket', stat.S_IFSOCK | 0o600)
print(kind('socket'))
tried('connect to it', lambda: socket.socket(socket.AF_UNIX).connect('socket'))
tried('a directory', lambda: os.mknod('d', stat.S_IFDIR | 0o700))

print('== splice, tee, sendfile')
data = bytes(range(256)) * 100
with open('data', 'wb') as file:
    file.write(data)
source, r, w = os.open('data', os.O_RDWR), *os.pipe()
print(os.splice(source, w, 1000), os.read(r, 2000) == data[:1000], os.lseek(source, 0, os.SEEK_CUR))
print(os.splice(source, w, 1000, offset_src=50), os.read(r, 2000) == data[50:1050], os.lseek(source, 0, os.SEEK_CUR))
target = os.open('target', os.O_RDWR | os.O_CREAT)
os.write(w, data[:5000])
print(os.splice(r, target, 3000), os.splice(r, target, 3000, offset_dst=10000), os.lseek(target, 0, os.SEEK_CUR))
print(os.pread(target, 3000, 0) == data[:3000], os.pread(target, 9999, 10000) == data[3000:5000])
tried('two files', lambda: os.splice(source, target, 10))
packets = os.pipe2(os.O_DIRECT)
os.write(packets[1], b'first packet'), os.write(packets[1], b'second')
print(os.splice(packets[0], target, 5, offset_dst=0), os.read(packets[0], 100), os.read(packets[0], 100), os.pread(target, 5, 0))
for move in (lambda: os.splice(source, packets[1], 10, offset_src=0)), (lambda: os.sendfile(packets[1], source, 0, 10)):
    print(move(), os.read(packets[0], 3) == data[:3], os.read(packets[0], 100) == data[3:10])
tried('nothing, by flags that are none', lambda: os.splice(source, w, 0, flags=64))
tried('an offset in a pipe', lambda: os.splice(source, w, 10, offset_dst=3))
tried('flags', lambda: os.splice(source, w, 10, flags=64))
tried('read only', lambda: (os.write(w, b'x'), os.splice(r, os.open('data', os.O_RDONLY), 1)))
print(os.read(r, 10))
tried('empty pipe', lambda: os.splice(r, target, 10, flags=os.SPLICE_F_NONBLOCK))
tried('at the end', lambda: os.splice(source, w, 10, offset_src=len(data)))
print(os.splice(source, w, 10, offset_src=len(data) - 3), os.read(r, 10) == data[-3:])
os.lseek(source, 0, os.SEEK_SET), os.lseek(target, 0, os.SEEK_SET)
moved = 0
while moved < len(data):
    moved += os.sendfile(target, source, None, len(data))
print(moved, os.pread(target, len(data) + 1, 0) == data)
print(os.sendfile(w, source, 100, 500), os.read(r, 1000) == data[100:600])
append = os.open('appended', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
tried('sendfile to append', lambda: os.sendfile(append, source, 0, 10))
# What sendfile takes from the host is what the kernel takes it from.
pair = socket.socketpair()
pair[1].send(b'sent')
os.write(w, b'sent')
sources = [(name, os.open(name, os.O_RDONLY)) for name in
           ['/dev/null', '/dev/zero', '/dev/full', '/dev/urandom', '/', '/proc/self/comm', '/proc/self/cmdline', '/proc/self/maps',
            '/proc/version', '/proc/self/mounts', '/proc/sys/kernel/ostype', '/etc/passwd', '/sys/kernel/mm/transparent_hugepage/enabled']
           if os.path.exists(name)]
sources += [('a pipe', r), ('a socket', pair[0].fileno()), ('epoll', select.epoll().fileno()), ('eventfd', os.eventfd(1)),
            ('memory', os.memfd_create('memory')), ('a directory', os.open('.', os.O_RDONLY)), ('a terminal', os.open('/dev/ptmx', os.O_RDWR)),
            ('a name', os.open('/etc/passwd', os.O_PATH)), ('what is written', os.open('/dev/null', os.O_WRONLY))]
receiver = os.open('receiver', os.O_RDWR | os.O_CREAT)
receivers = [receiver, append, os.open('receiver', os.O_RDONLY), os.open('.', os.O_RDONLY), os.open('receiver', os.O_PATH)]
for name, source_file in sources:
    told = []
    for target_file, offset, count in [(receiver, None, 7), (receiver, 2, 5), (receiver, -2, 5), (receiver, None, 0), (receiver, 2, 0)] + \
            [(each, offset, 3) for each in receivers[1:] for offset in (None, -2)]:
        try:
            told.append(os.sendfile(target_file, source_file, offset, count))
        except OSError as error:
            told.append(errno.errorcode[error.errno])
    print(name, *told, os.fstat(receiver).st_size)
    os.ftruncate(receiver, 0), os.lseek(receiver, 0, os.SEEK_SET)
known = os.open('/etc/passwd', os.O_RDONLY)
print(os.sendfile(receiver, known, None, 10), os.lseek(known, 0, os.SEEK_CUR), os.sendfile(receiver, known, 3, 10), os.lseek(known, 0, os.SEEK_CUR))
print(os.pread(receiver, 100, 0) == os.pread(known, 10, 0) + os.pread(known, 10, 3))
print(os.read(r, 10), pair[0].recv(10))
a, b = socket.socketpair()
print(a.sendfile(open('data', 'rb'), 5, 300), b.recv(1000) == data[5:305])
print(subprocess.run('cat data data | tee copy | wc -c', shell=True, stdout=subprocess.PIPE).stdout.strip())

print('== io_submit')
libc = ctypes.CDLL(None, use_errno=True)
SETUP, DESTROY, GETEVENTS, SUBMIT = 206, 207, 208, 209
context = ctypes.c_ulong()
print(libc.syscall(SETUP, 8, ctypes.byref(context)))
PREAD, PWRITE, FSYNC, FDSYNC, NOOP, PREADV, PWRITEV = 0, 1, 2, 3, 6, 7, 8


def submit(*requests):
    keep, blocks = [], []
    for number, (code, file, memory, size, offset) in enumerate(requests):
        address = ctypes.addressof(memory) if memory is not None else 0
        block = ctypes.create_string_buffer(struct.pack('QIiHhIQQqQII', 100 + number, 0, 0, code, 0, file, address, size, offset, 0, 0, 0), 64)
        keep.append((block, block.raw)), blocks.append(ctypes.addressof(block))
    array = (ctypes.c_void_p * len(blocks))(*blocks)
    result = libc.syscall(SUBMIT, context, ctypes.c_long(len(blocks)), array)
    answer = [result if result >= 0 else errno.errorcode[ctypes.get_errno()]]
    if result > 0:
        events = ctypes.create_string_buffer(32 * result)
        got = libc.syscall(GETEVENTS, context, ctypes.c_long(result), ctypes.c_long(result), events, None)
        answer += sorted((struct.unpack_from('QQqq', events.raw, 32 * i)[0], blocks.index(struct.unpack_from('QQqq', events.raw, 32 * i)[1]),
                          struct.unpack_from('QQqq', events.raw, 32 * i)[2]) for i in range(got))
    print(*answer, all(block.raw == before for block, before in keep))


memory, other_memory = ctypes.create_string_buffer(b'written', 7), ctypes.create_string_buffer(100)
submit((PWRITE, target, memory, 7, 11))
submit((PREAD, target, other_memory, 7, 11))
print(other_memory.raw[:7])
vectors = ctypes.create_string_buffer(struct.pack('QQQQ', ctypes.addressof(memory), 3, ctypes.addressof(memory), 7), 32)
submit((PWRITEV, target, vectors, 2, 100), (FSYNC, target, None, 0, 0), (FDSYNC, target, None, 0, 0))
submit((PREADV, target, vectors, 2, 0), (PREAD, source, other_memory, 100, len(data) - 10), (PREAD, source, other_memory, 100, len(data)))
print(other_memory.raw[:10] == data[-10:])
submit((PREAD, append, other_memory, 7, 0))
submit((PWRITE, os.open('data', os.O_RDONLY), memory, 7, 0))
submit((PREAD, target, other_memory, 7, -1))
submit((99, target, other_memory, 7, 0))
submit((PREAD, 9999, other_memory, 7, 0))
nowhere = (ctypes.c_char * 7).from_address(8)
submit((PREAD, target, nowhere, 7, 11), (PWRITE, target, nowhere, 7, 11), (PREAD, target, other_memory, 5, 11))
submit((PREAD, target, other_memory, 7, 0), (99, target, other_memory, 7, 0), (PREAD, target, other_memory, 7, 0))
zero = os.open('/dev/zero', os.O_RDWR)
submit((PREAD, zero, other_memory, 50, 0), (PREAD, target, other_memory, 5, 11), (PREAD, zero, other_memory, 20, 0))

print('== io_submit refuses')
appended = os.open('appended', os.O_RDWR | os.O_CREAT | os.O_APPEND)
directory = os.open('.', os.O_RDONLY)
RESFD, IOPRIO = 1, 2


def one(queue, code=PWRITE, file=appended, at=None, size=7, offset=0, rw_flags=0, flags=0, event=0):
    at = ctypes.addressof(memory) if at is None else at
    block.raw = struct.pack('QIiHhIQQqQII', 1, 0, rw_flags, code, 0, file, at, size, offset, 0, flags, event)
    result = libc.syscall(SUBMIT, queue, ctypes.c_long(1), ctypes.byref(ctypes.c_void_p(ctypes.addressof(block))))
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]


def refused(what, queue=context, **request):
    print(what, one(queue, **request), os.fstat(appended).st_size)


block = ctypes.create_string_buffer(64)
refused('no such queue', queue=ctypes.c_ulong(4096))
refused('no such eventfd', flags=RESFD, event=9999)
refused('a file for one', flags=RESFD, event=appended)
refused('a size below zero', size=2 ** 64 - 1)
refused('reading a directory', code=PREAD, file=directory)
refused('writing one', file=directory)
refused('an offset below zero of what cannot be written', file=os.open('data', os.O_RDONLY), offset=-1)
refused('fsync of a part', code=FSYNC, at=0, size=0, offset=5)
refused('fsync with memory', code=FSYNC, size=0)
refused('fsync with a size', code=FDSYNC, at=0)
refused('fsync with flags', code=FDSYNC, at=0, size=0, rw_flags=2)
block = (ctypes.c_char * 64).from_buffer(mmap.mmap(-1, 4096))
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
print(one(context), libc.mprotect(ctypes.addressof(block), 4096, mmap.PROT_READ))
result = libc.syscall(SUBMIT, context, ctypes.c_long(1), ctypes.byref(ctypes.c_void_p(ctypes.addressof(block))))
print('a request that cannot be written to', result, os.fstat(appended).st_size)
print(libc.mprotect(ctypes.addressof(block), 4096, mmap.PROT_READ | mmap.PROT_WRITE))
done = 1
while (answer := one(context)) == 1:
    done += 1
print('a full queue', answer, os.fstat(appended).st_size == 7 * done, done > 0)
print(libc.syscall(DESTROY, context))

print('== leases, notifications, pipe sizes')
tried('lease', lambda: fcntl.fcntl(target, fcntl.F_GETLEASE) == fcntl.F_UNLCK)
tried('pipe size', lambda: fcntl.fcntl(target, 1032))
tried('set pipe size', lambda: fcntl.fcntl(target, 1031, 4096))
