# What a killed process alone had is there for the others when they need it, though nobody starts in the pool meanwhile
# (run_in_pool.sh): space of its files without a name and of what its mappings show, open file descriptions, locks.
import ctypes, errno, fcntl, mmap, os, resource, signal, struct

pool = os.environ['POOL_DIRECTORY']
signal.alarm(120)
failures = 0


def check(what, is_right):
    global failures
    if not is_right:
        failures += 1
        print('FAIL:', what, flush=True)


# A child that has done `work` and waits: its number, and what `work` says (one byte).
def started(work):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, work() or b'.')
            signal.pause()
        finally:
            os._exit(1)
    os.close(write_end)
    answer = os.read(read_end, 1)
    check(work.__name__ + ' could not be done', answer != b'')
    os.close(read_end)
    return child, answer


# A child that has done `work`, and is killed then.
def killed(work):
    child = started(work)[0]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def fill(file):
    block = bytes(65536)
    size = len(block)
    while True:
        try:
            os.write(file, block[:size])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            if size == 4096:
                return
            size = 4096


def write(name, size_bytes):
    file = os.open(pool + '/' + name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        done = 0
        while done < size_bytes:
            done += os.write(file, bytes(min(65536, size_bytes - done)))
    finally:
        os.close(file)


def succeeds(what, call):
    try:
        call()
    except OSError as error:
        check(what + ': ' + str(error), False)


# As one request of io_submit's.
def submit(name, size_bytes):
    libc = ctypes.CDLL(None, use_errno=True)
    queue = ctypes.c_ulong()
    check('io_setup', libc.syscall(206, 1, ctypes.byref(queue)) == 0)
    buffer = ctypes.create_string_buffer(size_bytes)
    file = os.open(pool + '/' + name, os.O_CREAT | os.O_WRONLY)
    request = ctypes.create_string_buffer(
        struct.pack('QIiHhIQQqQII', 0, 0, 0, 1, 0, file, ctypes.addressof(buffer), size_bytes, 0, 0, 0, 0))
    check('io_submit', libc.syscall(209, queue, 1, ctypes.byref(ctypes.c_void_p(ctypes.addressof(request)))) == 1)
    event = ctypes.create_string_buffer(32)
    check('io_getevents', libc.syscall(208, queue, 1, 1, event, None) == 1)
    moved = struct.unpack_from('q', event, 16)[0]
    os.close(file)
    libc.syscall(207, queue)
    if moved < 0:
        raise OSError(-moved, os.strerror(-moved))


def has_an_unlinked_file():
    file = os.open(pool + '/unlinked', os.O_CREAT | os.O_RDWR)
    os.unlink(pool + '/unlinked')
    fill(file)


def has_an_unnamed_file():
    fill(os.open(pool, os.O_TMPFILE | os.O_RDWR))


for work in has_an_unlinked_file, has_an_unnamed_file:
    for call in 'write', 'create', 'fallocate', 'io_submit':
        killed(work)
        if call == 'create':
            # Names until a block is wanted.
            for number in range(200):
                succeeds(call, lambda: os.close(os.open(pool + '/name-%d' % number, os.O_CREAT | os.O_WRONLY)))
        elif call == 'fallocate':
            with open(pool + '/fallocated', 'wb') as file:
                succeeds(call, lambda: os.posix_fallocate(file.fileno(), 0, 1 << 20))
        elif call == 'io_submit':
            succeeds(call, lambda: submit(call, 32768))
        else:
            succeeds(call, lambda: write(call, 8 << 20))
        for name in os.listdir(pool):
            os.unlink(pool + '/' + name)

# What a living one has, he keeps.
with open(pool + '/filler', 'wb', buffering=0) as filler:
    fill(filler.fileno())
    for call in write, submit:
        try:
            call('refused', 32768)
            check(call.__name__ + ' in a full pool succeeds', False)
        except OSError as error:
            check(call.__name__ + ' in a full pool: ' + str(error), error.errno == errno.ENOSPC)
for name in os.listdir(pool):
    os.unlink(pool + '/' + name)

# What a private mapping may show is not used again while it lives.
size_bytes = 16 << 20
write('mapped', size_bytes)
stays = []


def maps_a_file():
    with open(pool + '/mapped', 'rb') as file:
        stays.append(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
    with open(pool + '/mapped', 'r+b') as file:
        for _ in range(size_bytes // 65536):
            file.write(b'n' * 65536)
    with open(pool + '/filler', 'wb', buffering=0) as file:
        fill(file.fileno())


killed(maps_a_file)
succeeds('a file that was mapped', lambda: write('more', size_bytes // 2))
for name in os.listdir(pool):
    os.unlink(pool + '/' + name)


# 8,192 locks are all there are; each second byte is one.
def has_all_locks():
    file = os.open(pool + '/locked', os.O_CREAT | os.O_RDWR)
    try:
        for number in range(100000):
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * number)
    except OSError as error:
        if error.errno != errno.ENOLCK:
            raise


def lock():
    with open(pool + '/mine', 'w') as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


killed(has_all_locks)
succeeds('a lock', lock)


# 65,536 open file descriptions are all there are: as many processes as their limits of open files want.
def has_descriptions():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    while True:
        try:
            os.open(pool, os.O_RDONLY)
        except OSError as error:
            return {errno.ENFILE: b'f', errno.EMFILE: b'm'}.get(error.errno, b'')


children = []
answer = b'm'
while answer == b'm':
    child, answer = started(has_descriptions)
    children.append(child)
check('descriptions are not used up', answer == b'f')
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
succeeds('an open', lambda: os.close(os.open(pool, os.O_RDONLY)))
raise SystemExit(failures != 0)
