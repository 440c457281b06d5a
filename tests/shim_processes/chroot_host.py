# chroot(2) into a directory of the host while a pool is mounted: the pool is where its mount point is below the new root, if it is
# there; what the process has of it stays (run_in_pool.sh).
import ctypes, errno, os, signal, stat, subprocess, sys, threading

if os.geteuid() != 0:
    os.execvp('unshare', ['unshare', '--map-root-user', sys.executable] + sys.argv)
pool, host = os.environ['POOL_DIRECTORY'], os.environ['HOST_DIRECTORY']
signal.alarm(60)
libc = ctypes.CDLL(None, use_errno=True)
failures = 0


def check(what, is_right):
    global failures
    if not is_right:
        failures += 1
        print('FAIL:', what, flush=True)


def fails(number, call):
    try:
        call()
        return False
    except OSError as error:
        return error.errno == number


def in_child(call):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            call()
        except BaseException as error:
            check(repr(error), False)
        sys.stdout.flush()
        os._exit(failures)
    check(call.__name__ + ' ended badly', os.waitpid(child, 0)[1] == 0)


def raw_getcwd():
    buffer = ctypes.create_string_buffer(5000)
    return buffer.value.decode() if libc.syscall(79, buffer, 5000) > 0 else None


def read(path):
    with open(path) as file:
        return file.read()


os.mkdir(host + '/elsewhere')
os.makedirs(pool + '/d/e')
with open(pool + '/d/file', 'w') as file:
    file.write('in the pool')
with open('/'.join([host, 'plain']), 'w') as file:
    file.write('on the host')
with open(host + '/main.c', 'w') as file:
    file.write('''#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    printf("%d %d %d %d", access("/mount/d/file", F_OK), access("/plain", F_OK), getenv("LD_PRELOAD") != NULL, getenv("PMEMFILE_POOLS") != NULL);
    return 0;
}''')
subprocess.run(['cc', '-static', '-o', host + '/program', host + '/main.c'], check=True)
kept = os.open(pool + '/d', os.O_RDONLY)
kept_file = os.open(pool + '/d/file', os.O_RDONLY)


def above():
    os.chroot(host)
    check('the mount', read('/mount/d/file') == 'in the pool' and read('/plain') == 'on the host')
    check('its former path', not os.path.exists(pool) and not os.path.exists(host) and not os.path.exists('/usr'))
    check('dots', read('/mount/../plain') == 'on the host' and read('/elsewhere/../mount/d/e/../file') == 'in the pool')
    os.chdir('/mount/d')
    check('cwd', raw_getcwd() == '/mount/d' and read('file') == 'in the pool' and read('../../plain') == 'on the host')
    os.mkdir('made'), os.rename('/mount/d/made', 'moved'), os.rmdir('/mount/d/moved')
    check('the other device', fails(errno.EXDEV, lambda: os.rename('file', '/elsewhere/file')))
    os.symlink('/plain', 'out')
    check('a link out of it', read('/mount/d/out') == 'on the host')
    os.unlink('out')
    os.chdir('/')
    check('listed', sorted(os.listdir('mount')) == ['d'] and raw_getcwd() == '/')


def beside():
    os.chdir(pool + '/d')
    os.chroot(host + '/elsewhere')
    for path in ['/mount', pool, host + '/plain', '/plain', pool + '/d/file']:
        check(path, not os.path.exists(path))
    check('cwd', raw_getcwd() == '(unreachable)' + pool + '/d' and read('file') == 'in the pool')
    check('descriptors', os.pread(kept_file, 100, 0) == b'in the pool' and os.listdir(kept) == ['e', 'file'] or sorted(os.listdir(kept)) == ['e', 'file'])
    check('at', os.stat('file', dir_fd=kept).st_size == 11)
    check('out of it', fails(errno.ENOENT, lambda: os.stat('../..')))
    os.mkdir('/on-host')
    check('made', os.listdir('/') == ['on-host'])
    os.rmdir('/on-host')
    os.chdir('/')
    check('left', raw_getcwd() == '/' and os.listdir('.') == [])
    os.fchdir(kept)
    check('back', read('file') == 'in the pool')


def children():
    os.chroot(host)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            with open('/mount/by-child', 'w') as file:
                file.write(read('/mount/d/file') * 1000)
            os._exit(0)
        check('a fork', os.waitpid(child, 0)[1] == 0 and os.stat('/mount/by-child').st_size == 11000)
    found = []
    thread = threading.Thread(target=lambda: found.append(read('/mount/d/file')))
    thread.start(), thread.join()
    check('a thread', found == ['in the pool'])
    os.unlink('/mount/by-child')
    r, w = os.pipe()
    if os.fork() == 0:
        os.dup2(w, 1), os.dup2(w, 2)
        os.execve('/program', ['program'], os.environ)
    os.wait()
    check('a program', os.read(r, 1000) == b'-1 0 0 0')


def root():
    os.chroot('/')
    check('nothing has changed', read(pool + '/d/file') == 'in the pool' and read(host + '/plain') == 'on the host')
    check('programs too', subprocess.run(['cat', pool + '/d/file'], stdout=subprocess.PIPE).stdout == b'in the pool')


for call in [above, beside, children, root]:
    in_child(call)
shown = subprocess.run(['chroot', host, '/program'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
check('chroot(1): %r' % shown, shown == b'-1 0 0 0')
check('afterwards', read(pool + '/d/file') == 'in the pool')
print(failures, 'failed')
sys.exit(failures != 0)
