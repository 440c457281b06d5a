# inotify: what is told of files and directories, to the byte the same on tmpfs (compare_script.sh).
import ctypes, errno, fcntl, os, select, signal, struct, subprocess, sys, time

os.chdir(sys.argv[1])
signal.alarm(60)
libc = ctypes.CDLL(None, use_errno=True)
NAMES = {0x1: 'ACCESS', 0x2: 'MODIFY', 0x4: 'ATTRIB', 0x8: 'CLOSE_WRITE', 0x10: 'CLOSE_NOWRITE', 0x20: 'OPEN',
         0x40: 'MOVED_FROM', 0x80: 'MOVED_TO', 0x100: 'CREATE', 0x200: 'DELETE', 0x400: 'DELETE_SELF',
         0x800: 'MOVE_SELF', 0x2000: 'UNMOUNT', 0x4000: 'Q_OVERFLOW', 0x8000: 'IGNORED', 0x40000000: 'ISDIR'}
ALL, ONLYDIR, DONT_FOLLOW, EXCL_UNLINK = 0xfff, 0x01000000, 0x02000000, 0x04000000
MASK_CREATE, MASK_ADD, ONESHOT = 0x10000000, 0x20000000, 0x80000000
FIONREAD = 0x541b


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), 'inotify')
    return result


def watcher(flags=os.O_NONBLOCK | os.O_CLOEXEC):
    return checked(libc.inotify_init1(flags))


def add(descriptor, path, mask=ALL):
    return checked(libc.inotify_add_watch(descriptor, path.encode(), ctypes.c_uint32(mask)))


def tried(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])


def events(descriptor):
    found, cookies = [], {}
    while True:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return found
        at = 0
        while at < len(data):
            watch, mask, cookie, length = struct.unpack_from('iIII', data, at)
            name = data[at + 16:at + 16 + length].rstrip(b'\0').decode()
            text = '|'.join(text for bit, text in NAMES.items() if mask & bit)
            pair = ' #%d' % cookies.setdefault(cookie, len(cookies) + 1) if cookie else ''
            found.append('%d %s%s%s' % (watch, text, pair, ' ' + name if name else ''))
            at += 16 + length


def tell(what, descriptor):
    print('--', what)
    for event in events(descriptor):
        print('   ', event)


def put(path, data=b'text'):
    with open(path, 'wb', buffering=0) as file:
        file.write(data)


print('== a directory')
os.mkdir('d'), os.mkdir('other'), put('d/old'), os.mkdir('d/inner')
n = watcher()
print('watch', add(n, 'd'), add(n, 'd'), add(n, os.path.abspath('d')))
put('d/new'), tell('made', n)
put('d/new'), tell('written again', n)
open('d/new', 'ab').close(), tell('opened to append', n)
open('d/new').read(), tell('read', n)
os.chmod('d/new', 0o600), tell('chmod', n)
os.chown('d/new', os.getuid(), os.getgid()), tell('chown', n)
os.utime('d/new', (1, 2)), tell('utime', n)
os.truncate('d/new', 2), tell('truncate', n)
os.setxattr('d/new', 'trusted.x' if os.getuid() == 0 else 'user.x', b'1'), tell('setxattr', n)
os.symlink('new', 'd/link'), tell('symlink', n)
open('d/link').close(), tell('opened through a symlink', n)
os.mkfifo('d/fifo'), tell('fifo', n)
os.mkdir('d/sub'), tell('mkdir', n)
print(sorted(os.listdir('d/sub'))), tell('listed', n)
put('d/sub/deep'), tell('below it', n)
os.chmod('d/sub', 0o700), tell('chmod of a directory', n)
os.unlink('d/sub/deep'), os.rmdir('d/sub'), tell('rmdir', n)
os.link('d/new', 'd/second'), tell('link', n)
os.unlink('d/second'), tell('a name of two removed', n)
os.rename('d/new', 'd/newer'), tell('renamed', n)
os.rename('d/newer', 'd/old'), tell('renamed over another', n)
os.rename('d/old', 'out'), tell('out', n)
os.rename('out', 'd/back'), tell('in', n)
os.rename('d/inner', 'other/inner'), tell('a directory out', n)
os.rename('other/inner', 'd/inner'), tell('a directory in', n)
os.rename('d/inner', 'd/inner2'), tell('a directory renamed', n)
tried('removed when full', lambda: os.rmdir('d')), tell('nothing of it', n)
tried('made twice', lambda: os.mkdir('d/inner2')), tell('nothing of it', n)
print(os.listdir('d') != []), tell('itself listed', n)
os.chmod('d', 0o711), tell('itself changed', n)
os.unlink('d/back'), tell('unlinked', n)
long_name = 'n' * 255
put('d/' + long_name), tell('a long name', n)
os.unlink('d/' + long_name), events(n)

print('== open files')
f = os.open('d/file', os.O_RDWR | os.O_CREAT)
tell('open', n)
os.write(f, b'12345'), os.write(f, b'6'), tell('two writes are one', n)
os.pread(f, 2, 0), os.pwrite(f, b'x', 0), os.pread(f, 2, 0), tell('read, written, read', n)
print(os.pread(f, 2, 100)), tell('at the end', n)
os.ftruncate(f, 3), tell('ftruncate', n)
os.fchmod(f, 0o640), tell('fchmod', n)
os.posix_fallocate(f, 0, 5000), tell('fallocate', n)
os.rename('d/file', 'd/named'), os.write(f, b'y'), tell('under its new name', n)
copy = os.dup(f)
os.close(f), tell('one of two closed', n)
os.close(copy), tell('both', n)
f = os.open('d/named', os.O_PATH)
os.close(f), tell('O_PATH', n)
f = os.open('d/named', os.O_WRONLY | os.O_TRUNC)
tell('cut by open', n)
g = os.open('d/named', os.O_RDONLY)
os.unlink('d/named'), tell('unlinked while open', n)
os.write(f, b'z'), os.close(f), os.close(g), tell('and then', n)
e = os.open('d/first', os.O_RDWR | os.O_CREAT)
h = os.open('d/second', os.O_RDWR | os.O_CREAT)
os.write(e, b'a' * 1000), events(n)
print(os.copy_file_range(e, h, 100, 0)), tell('copied', n)
print(os.sendfile(h, e, 0, 50)), tell('sent', n)
os.close(e), os.close(h), events(n)

print('== a file')
put('single'), put('other/target'), os.symlink('single', 'slink')
w = watcher()
print('watch', add(w, 'single'), add(w, 'slink'))
put('single'), tell('written', w)
os.chmod('single', 0o600), tell('chmod', w)
os.link('single', 'hard'), tell('link', w)
os.unlink('hard'), tell('unlink of one', w)
os.rename('single', 'moved'), tell('renamed', w)
os.rename('moved', 'other/moved'), tell('into another directory', w)
os.rename('other/moved', 'single'), tell('back', w)
put('late'), os.rename('late', 'single'), tell('replaced', w)
print('again', add(w, 'single'))
f = os.open('single', os.O_RDONLY)
os.unlink('single'), tell('unlinked while open', w)
os.close(f), tell('closed', w)
print('a symlink itself', add(w, 'slink', ALL | DONT_FOLLOW))
os.unlink('slink'), tell('unlinked', w)
f = os.open('before', os.O_RDWR | os.O_CREAT)
print('an open file', add(w, 'before'))
os.write(f, b'1'), os.fchmod(f, 0o600), os.close(f), tell('used', w)
os.mkdir('self')
print('a directory', add(w, 'self'))
os.rename('self', 'self2'), tell('renamed', w)
os.rename('self2', 'other/self'), tell('moved', w)
os.rmdir('other/self'), tell('removed', w)
os.close(w)

print('== two directories')
w = watcher()
print('watch', add(w, 'd'), add(w, 'other'))
put('d/a'), put('other/b'), events(w)
os.rename('d/a', 'other/a'), tell('moved', w)
os.rename('other/a', 'other/b'), tell('over', w)
put('d/c'), events(w)
print(libc.renameat2(-100, b'd/c', -100, b'other/b', 2)), tell('exchanged', w)
print(libc.renameat2(-100, b'd/c', -100, b'gone', 0)), tell('away', w)
print(libc.renameat2(-100, b'gone', -100, b'other/b', 2)), tell('exchanged with nobody', w)
os.mkdir('d/x'), os.rename('d/x', 'other/x'), os.rmdir('other/x'), tell('a directory', w)
os.link('gone', 'd/l'), os.unlink('d/l'), os.unlink('gone'), tell('a link', w)
os.close(w), events(n)

print('== files that are watched themselves, in and out of a directory that is')
os.mkdir('w'), os.mkdir('v'), put('w/a'), put('w/b'), put('v/x')
w = watcher()
print('watch', add(w, 'w/a'), add(w, 'w/b'), add(w, 'v/x'))
tell('nothing yet', w)
n2 = watcher()
print('watch', add(n2, 'w')), events(w)


def exchange(one, other):
    print(libc.renameat2(-100, one.encode(), -100, other.encode(), 2))


def changed(watch):  # how often the number of links changed is not the same (docs/limits.md)
    return [event for event in events(watch) if not event.endswith(' ATTRIB')]


os.rename('w/a', 'v/a'), os.rename('v/a', 'v/a2'), print('moved on', changed(w)), tell('', n2)
os.rename('v/a2', 'v/a3'), print('and on', changed(w)), tell('', n2)
os.rename('v/a3', 'w/a'), print('back', changed(w)), tell('', n2)
os.rename('w/a', 'v/a'), os.rename('v/a', 'w/a'), print('out and in', changed(w)), tell('', n2)
exchange('w/a', 'w/b'), print('exchanged', changed(w)), tell('', n2)
exchange('w/a', 'v/x'), print('with one from outside', changed(w)), tell('', n2)
put('w/a'), print('written', changed(w)), tell('', n2)
os.chmod('w/a', 0o600), tell('chmod', w), tell('', n2)
os.rename('w/a', 'v/x'), print('out again', changed(w)), tell('', n2)
os.chmod('v/x', 0o644), tell('there', w), tell('', n2)
f = os.open('v/x', os.O_RDWR)
put('v/y'), os.rename('v/y', 'v/x'), events(w), os.write(f, b'1'), tell('replaced, and open', w)
os.close(f), tell('closed', w)
os.close(w), events(n2)

print('== files that are open, in and out of a directory that is watched')
f, g = os.open('v/open', os.O_RDWR | os.O_CREAT), os.open('v/also', os.O_WRONLY | os.O_CREAT)
os.rename('v/open', 'w/open'), os.rename('v/also', 'w/also'), tell('in', n2)
os.write(f, b'1'), tell('written', n2)
os.close(g), tell('closed', n2)
os.rename('w/open', 'v/open'), tell('out', n2)
os.write(f, b'2'), tell('written there', n2)
os.rename('v/open', 'w/open'), tell('in again', n2)
os.write(f, b'3'), tell('written', n2)
os.close(f), tell('closed', n2)
f = os.open('v', os.O_RDONLY)
os.rename('v', 'w/v'), tell('a directory', n2)
os.listdir(f), os.close(f), tell('listed and closed', n2)
f, g = os.open('w/open', os.O_RDONLY), os.open('w/v/late', os.O_RDWR | os.O_CREAT)
events(n2), exchange('w/open', 'w/v/late'), tell('exchanged', n2)
os.write(g, b'4'), os.close(g), os.close(f), tell('and closed', n2)

print('== read at the end')
f = os.open('w/open', os.O_RDWR)
os.lseek(f, 0, os.SEEK_END), events(n2)
os.read(f, 1), tell('by one buffer', n2)
os.readv(f, [bytearray(1)]), tell('by vectors', n2)
os.preadv(f, [bytearray(1)], 1000), tell('and an offset', n2)
os.readv(f, [bytearray(0)]), tell('of nothing', n2)
os.writev(f, [b'']), tell('nothing written', n2)
os.close(f), os.close(n2)

print('== masks')
w = watcher()
for what, path, mask in [('nothing asked', 'd', 0), ('no such file', 'd/none', ALL), ('through a file', 'other/b/x', ALL),
                         ('not a directory', 'other/b', ALL | ONLYDIR), ('both', 'd', ALL | MASK_ADD | MASK_CREATE),
                         ('empty', '', ALL), ('only directories', 'd', 0x100 | ONLYDIR), ('there', 'd', 0x200 | MASK_CREATE),
                         ('and more', 'd', 0x200 | MASK_ADD), ('once', 'other', 0x100 | ONESHOT)]:
    tried(what, lambda: add(w, path, mask))
tried('no descriptor', lambda: add(99, 'd'))
tried('another one', lambda: add(0, 'd'))
tried('a file', lambda: add(os.open('other/b', os.O_RDONLY), 'd'))
tried('bad pointer', lambda: checked(libc.inotify_add_watch(w, ctypes.c_void_p(8), ALL)))
put('d/m'), os.unlink('d/m'), tell('made and removed', w)
put('other/1'), put('other/2'), tell('only once', w)
tried('taken back', lambda: checked(libc.inotify_rm_watch(w, 1)))
tried('twice', lambda: checked(libc.inotify_rm_watch(w, 1)))
put('d/m'), tell('no more', w)
print('changed', add(w, 'd', 0x8), add(w, 'd', 0x20))
put('d/m'), tell('only OPEN', w)
print('unlinked are left out', add(w, 'd', ALL | EXCL_UNLINK))
f = os.open('d/m', os.O_RDWR)
os.unlink('d/m'), os.write(f, b'1'), os.close(f), tell('so', w)
os.close(w), events(n)

print('== reading')
w = checked(libc.inotify_init())
add(w, 'd', 0x100)
p = select.poll()
p.register(w, select.POLLIN)
e = select.epoll()
e.register(w, select.EPOLLIN)


def ready():
    size = fcntl.ioctl(w, FIONREAD, b'\0' * 4)
    return p.poll(0) != [], select.select([w], [], [], 0)[0] != [], e.poll(0) != [], struct.unpack('i', size)[0]


print(ready())
put('d/r1'), put('d/r2')
print(ready())
tried('too small', lambda: os.read(w, 10))
print(len(os.read(w, 40)), ready())
print(len(os.read(w, 4000)), ready())
for name in ['same', 'same', 'same']:
    put('d/' + name), os.unlink('d/' + name)
fcntl.fcntl(w, fcntl.F_SETFL, os.O_NONBLOCK)
tell('equal neighbours', w)
tried('nothing there', lambda: os.read(w, 100))
tried('written', lambda: os.write(w, b'1'))
print(fcntl.fcntl(w, fcntl.F_GETFD), fcntl.fcntl(n, fcntl.F_GETFD))
fcntl.fcntl(w, fcntl.F_SETFL, 0)
child = os.fork()
if child == 0:
    time.sleep(0.2)
    put('d/from a child')
    os._exit(0)
print(os.read(w, 4000)[16:].rstrip(b'\0'))
os.waitpid(child, 0)
os.close(w), events(n)

print('== other processes')
w = watcher()
add(w, 'd')
subprocess.run(['sh', '-c', 'echo 1 >d/shell; cat d/shell; mv d/shell d/moved; rm d/moved']), tell('a shell', w)
subprocess.run(['sh', '-c', 'exec sleep 0 3>>d/inherited']), tell('over exec', w)
subprocess.run(['dd', 'of=d/dd', 'bs=1k', 'count=4', 'status=none'], stdin=open('/dev/zero')), tell('dd', w)
os.posix_spawn('/bin/echo', ['echo', 'spawned'], os.environ,
               file_actions=[(os.POSIX_SPAWN_OPEN, 1, 'd/spawned', os.O_WRONLY | os.O_CREAT, 0o644)])
os.wait(), tell('posix_spawn', w)
child = subprocess.Popen([sys.executable, '-c', 'import sys; f = open("d/killed", "w", buffering=1); print("1", file=f); '
                          'sys.stdout.write("x"); sys.stdout.flush(); sys.stdin.read()'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.read(1), events(w)
child.kill(), child.wait(), tell('killed with an open file', w)
f = open('d/shared', 'w', buffering=1)
child = os.fork()
if child == 0:
    os.write(f.fileno(), b'1')
    os._exit(0)
os.waitpid(child, 0), tell('a child writes', w)
f.close(), tell('and the last one closes', w)
import socket
a, b = socket.socketpair()
f = os.open('d/shared', os.O_RDONLY)
child = os.fork()
if child == 0:
    os.close(f)
    got = socket.recv_fds(b, 1, 1)[1][0]
    print(os.read(got, 1)), sys.stdout.flush()
    os._exit(0)
socket.send_fds(a, [b'x'], [f])
os.waitpid(child, 0), tell('sent through a socket', w)
os.close(f)
with open('/proc/self/fd/%d' % os.open('d/shared', os.O_PATH)) as again:
    events(w), again.read()
tell('opened by its number', w)

print('== the descriptor goes on')
child = os.fork()
if child == 0:
    os.set_inheritable(w, True)
    os.execv(sys.executable, [sys.executable, '-c', '''
import os, sys, time
w = int(sys.argv[1])
print('after exec', len(os.read(w, 1000)) > 0)
''', str(w)])
put('d/seen by another')
print(os.waitpid(child, 0)[1])
os.close(w)

print('== the host too')
host = os.path.dirname(sys.argv[1].rstrip('/')) + '/host'
os.mkdir(host)
w = watcher()
print('watch', add(w, host), add(w, 'd'))
put(host + '/h'), put('d/p'), os.unlink(host + '/h'), os.unlink('d/p'), tell('both', w)
os.close(w)
os.rmdir(host)

print('== full')
w = watcher()
add(w, 'd', 0x300)
with open('/proc/sys/fs/inotify/max_queued_events') as limit:
    count = int(limit.read())
for i in range(count // 2 + 10):
    os.close(os.open('d/%d' % (i % 7), os.O_CREAT)), os.unlink('d/%d' % (i % 7))
got = events(w)
print(len(got) == count + 1, got[-1])
os.close(w)
print('-- the first watcher', len(events(n)) > 0)
tried('fanotify', lambda: checked(libc.fanotify_init(0, 0)) * 0 if os.getuid() != 0 else 0)
