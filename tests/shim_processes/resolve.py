# openat2 with each way to resolve, open with access mode 3, links of /proc/self/fd as such; the same on tmpfs
# (compare_script.sh). What a mount alone does is in shim_processes_test.cpp.
import ctypes, errno, fcntl, mmap, os, stat, struct, sys

os.chdir(sys.argv[1])
os.mkdir('top')
os.chdir('top')
libc = ctypes.CDLL(None, use_errno=True)
NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT, CACHED = 1, 2, 4, 8, 16, 32
os.mkdir('d')
for name, text in ('f', 'of f'), ('d/g', 'of g'):
    with open(name, 'w') as file:
        file.write(text)
for target, name in ('/f', 'absolute'), ('../f', 'd/up'), ('d', 'to-d'), ('../../f', 'd/out'), (os.getcwd() + '/f', 'whole'):
    os.symlink(target, name)
top = os.open('.', os.O_RDONLY)
of_file = os.open('f', os.O_RDONLY)


def name_of(error):
    return errno.errorcode[error]


def open2(path, resolve, flags=0, mode=0, directory=top):
    how = struct.pack('QQQ', flags, mode, resolve)
    for _ in range(1000):
        descriptor = libc.syscall(437, directory, os.fsencode(path), how, 24)
        # ".." is EAGAIN while somebody renames anything on the machine.
        if descriptor >= 0 or ctypes.get_errno() != errno.EAGAIN or resolve & CACHED:
            break
    if descriptor < 0:
        return name_of(ctypes.get_errno())
    try:
        return os.read(descriptor, 10).decode()
    except OSError as error:
        return 'open, ' + name_of(error.errno)
    finally:
        os.close(descriptor)


def show(*words):
    print(*words)


print('== each way')
paths = ['f', 'd/g', 'd/../f', 'to-d/g', 'absolute', 'whole', 'd/up', 'd/out', '../top/f', '..', '/f', '/d/g', os.getcwd() + '/f',
         '../../f', 'gone', 'f/x', '.', '', '/proc/self/fd/%d' % top, '/proc/self/fd/%d/f' % top, '/proc/self/fd/%d' % of_file,
         '/proc/self/cwd/f', '/dev/fd/%d' % of_file]
shown = lambda path: path.replace(os.getcwd(), 'TOP').replace('fd/%d' % top, 'fd/top').replace('fd/%d' % of_file, 'fd/file')
for way, name in ((NO_MAGICLINKS, 'no magic links'), (NO_SYMLINKS, 'no symlinks'), (BENEATH, 'beneath'), (IN_ROOT, 'in root')):
    for path in paths:
        if way == IN_ROOT and path.startswith('/proc') or path.startswith('/dev'):
            continue
        show(name, shown(path), open2(path, way))
for path in paths:
    if not path.startswith('/') and path not in ('absolute', 'whole', '../../f'):
        show('no crossing', path, open2(path, NO_XDEV))
for path in paths[:4]:
    show('cached', path, open2(path, CACHED) in ('EAGAIN', open2(path, 0))) # what is in no cache
for flags in os.O_CREAT, os.O_TRUNC | os.O_RDWR, os.O_TMPFILE | os.O_RDWR:
    show('cached', hex(flags), open2('f' if flags != os.O_TMPFILE | os.O_RDWR else '.', CACHED, flags, 0o600 if flags & os.O_CREAT else 0))
show('directory of the process', open2('f', BENEATH, directory=-100), open2('../top/f', BENEATH, directory=-100))

print('== what is said first')
for how in ((1 << 40, 0, 0), (0, 0, 64), (0, 0o600, 0), (os.O_CREAT | os.O_RDWR, 0o200000, 0), (0, 0, BENEATH | IN_ROOT),
            (os.O_PATH | os.O_TRUNC, 0, 0), (os.O_PATH | os.O_CREAT, 0o600, 0), (os.O_PATH | os.O_RDWR, 0, 0),
            (os.O_PATH | os.O_NOFOLLOW, 0, 0), (os.O_CREAT | os.O_DIRECTORY, 0o600, 0), (os.O_TMPFILE, 0o600, 0),
            (os.O_TMPFILE & ~os.O_DIRECTORY | os.O_RDWR, 0o600, 0)):
    show(how, open2('f', how[2], how[0], how[1]))

print('== neither reading nor writing')
for path in 'f', 'd', 'gone', 'd/up':
    try:
        file = os.open(path, 3)
    except OSError as error:
        show(path, name_of(error.errno))
        continue
    for what, call in (('read', lambda: os.read(file, 1)), ('write', lambda: os.write(file, b'x')), ('empty', lambda: os.read(file, 0)),
                       ('seek', lambda: os.lseek(file, 2, 0)), ('cut', lambda: os.ftruncate(file, 1)), ('stat', lambda: os.fstat(file).st_size),
                       ('sync', lambda: os.fsync(file)), ('copy', lambda: os.copy_file_range(file, file, 1))):
        try:
            show(path, what, call())
        except OSError as error:
            show(path, what, name_of(error.errno))
    show(path, fcntl.fcntl(file, fcntl.F_GETFL) & 3)
    for protection in mmap.PROT_READ, mmap.PROT_WRITE:
        try:
            mmap.mmap(file, 2, prot=protection)
            show(path, 'mapped')
        except OSError as error:
            show(path, name_of(error.errno))
    for kind in fcntl.LOCK_SH, fcntl.LOCK_EX:
        for lock in fcntl.lockf, fcntl.flock:
            try:
                show(path, lock(file, kind))
            except OSError as error:
                show(path, name_of(error.errno))
    os.close(file)

print('== the link itself')
link = '/proc/self/fd/%d' % of_file
for flags in os.O_PATH | os.O_NOFOLLOW, os.O_NOFOLLOW, os.O_PATH, os.O_CREAT | os.O_EXCL:
    try:
        file = os.open(link, flags)
        try:
            show(hex(flags), stat.S_IFMT(os.fstat(file).st_mode), os.readlink('', dir_fd=file).endswith('/top/f'))
        except OSError as error:
            show(hex(flags), name_of(error.errno))
        os.close(file)
    except OSError as error:
        show(hex(flags), name_of(error.errno))

print('== by symlinks of another file system')
elsewhere = os.environ['OTHER_DIRECTORY'] + '/'
for target, name in ('d', 'to-d'), ('nothing', 'to-nothing'), ('f', 'to-f'):
    os.symlink(os.getcwd() + '/' + target, elsewhere + name)
CREATE = os.O_CREAT | os.O_RDWR
for name in 'to-d', 'to-nothing', 'to-f':
    for path in name, name + '/':
        for flags in (CREATE | os.O_EXCL, CREATE | os.O_NOFOLLOW, CREATE, os.O_TMPFILE | os.O_RDWR,
                      os.O_TMPFILE | os.O_RDWR | os.O_NOFOLLOW, os.O_NOFOLLOW, os.O_NOFOLLOW | os.O_PATH):
            mode = 0o600 if flags & os.O_CREAT or flags & os.O_TMPFILE == os.O_TMPFILE else 0
            for way in 0, NO_MAGICLINKS:
                show(path, hex(flags), way, open2(elsewhere + path, way, flags, mode), os.path.exists('nothing'))
            try:
                descriptor = os.open(elsewhere + path, flags, mode)
                os.close(descriptor)
                show(path, hex(flags), 'opened', os.path.exists('nothing'))
            except OSError as error:
                show(path, hex(flags), name_of(error.errno), os.path.exists('nothing'))
            if os.path.exists('nothing'):
                os.unlink('nothing')

print('== from another file system')
os.chdir(elsewhere)
begin = os.open('.', os.O_RDONLY)
os.mkdir('in')
open('plain', 'w').close()
back = os.path.relpath(sys.argv[1], os.path.realpath(elsewhere))
os.symlink(back + '/top', 'in/up')
os.symlink(sys.argv[1] + '/top', 'in/absolute')
for way, name in ((0, 'any'), (NO_SYMLINKS, 'no symlinks'), (BENEATH, 'beneath'), (NO_XDEV, 'no crossing'), (NO_MAGICLINKS, 'no magic links')):
    for path in ('in/up/f', 'in/absolute/f', 'in/../to-f', 'plain/../to-f', 'in/up', 'in/up/', 'in/absolute/', 'in/up/nothing', 'in/absolute/nothing', 'in/up/nothing/',
                 'in/../to-nothing', 'in/up/d/..', 'in/absolute/d/../../top/f', 'in/../in/absolute/whole', back + '/top/f', 'in/../' + back + '/top/f',
                 back + '/top/nothing', 'in/nothing', 'nothing/'):
        for flags in 0, CREATE, os.O_NOFOLLOW:
            mode = 0o600 if flags & os.O_CREAT else 0
            show(name, path.replace(back, 'BACK'), hex(flags), *(open2(path, way, flags, mode, directory) for directory in (-100, begin)))
            for made in sys.argv[1] + '/top/nothing', elsewhere + 'in/nothing', sys.argv[1] + '/top/d/nothing':
                if os.path.exists(made):
                    os.unlink(made)
                    show('made', made.replace(elsewhere, 'ELSEWHERE/'))
around = os.path.dirname(sys.argv[1])
os.chdir(around)
begin = os.open('.', os.O_RDONLY)
os.symlink(os.path.basename(sys.argv[1]), 'link-%d' % os.getpid())
for way, name in ((0, 'any'), (NO_SYMLINKS, 'no symlinks'), (BENEATH, 'beneath')):
    for flags in 0, CREATE, CREATE | os.O_EXCL:
        for path in '/top/f', '/top/nothing', '/top/nothing/', '/nothing', '':
            show(name, path, hex(flags), *(open2('link-%d' % os.getpid() + path, way, flags, 0o600 if flags else 0, directory) for directory in (-100, begin)))
            for made in sys.argv[1] + '/top/nothing', sys.argv[1] + '/nothing':
                if os.path.exists(made):
                    os.unlink(made)
                    show('made', made.replace(around, 'AROUND'))
os.unlink('link-%d' % os.getpid())
