# chroot(2) into a directory: what can be reached then and what cannot, programs below the new root, and the ways out; the same on
# tmpfs (compare_script.sh).
import ctypes, errno, os, re, shutil, signal, socket, stat, struct, subprocess, sys, threading

if os.geteuid() != 0:
    os.execvp('unshare', ['unshare', '--map-root-user', sys.executable] + sys.argv)
os.chdir(sys.argv[1])
here = os.getcwd()
signal.alarm(90)
libc = ctypes.CDLL(None, use_errno=True)
encoded = os.fsencode(here)


def tried(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])


def in_child(what, call):
    """Runs it in a child, whose root may change; what it prints comes in order."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            tried(what, call)
        finally:
            sys.stdout.flush()
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status != 0:
        print(what, 'ended with', status)


def kernel_getcwd():
    buffer = ctypes.create_string_buffer(5000)
    length = libc.syscall(79, buffer, 5000)
    return buffer.value.decode() if length > 0 else errno.errorcode[ctypes.get_errno()]


def our_own_root():
    """Where the root that the test itself was started in lies, if that is a chroot's: there the kernel leads, and names, who gets out."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.mkdir('root'), os.chroot('root'), os.rmdir('root')
        os.write(writer, os.fsencode(kernel_getcwd())), os._exit(0)
    os.waitpid(child, 0), os.close(writer)
    with open(reader, 'rb') as file:
        return os.fsdecode(file.read()).removeprefix(unreachable).removesuffix(here)


unreachable = '(unreachable)'
own_root = our_own_root()


def raw_getcwd():
    text = kernel_getcwd()
    if own_root and text.startswith(unreachable + own_root):
        text = unreachable + (text.removeprefix(unreachable + own_root) or '/')
    return text.replace(here, 'HERE')


def write(path, text, mode=0o644):
    with open(path, 'w') as file:
        file.write(text)
    os.chmod(path, mode)


def read(path, dir_fd=None):
    descriptor = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
    text = os.read(descriptor, 1000)
    os.close(descriptor)
    return text


def opened_in(directory, path, resolve):
    how = ctypes.create_string_buffer(struct.pack('QQQ', os.O_RDONLY, 0, resolve), 24)
    descriptor = libc.syscall(437, directory, os.fsencode(path), how, 24)
    if descriptor < 0:
        return errno.errorcode[ctypes.get_errno()]
    text = os.read(descriptor, 100)
    os.close(descriptor)
    return text


# The new root: a small system, with its own loader and libraries.
for directory in ['bin', 'etc', 'tmp', 'lib64', 'sub/etc', 'closed', 'lib/x86_64-linux-gnu', 'opt']:
    os.makedirs('jail/' + directory)


def put(program, name=None):
    shutil.copy(program, 'jail/bin/' + (name or os.path.basename(program)))
    for library in re.findall(r'(/\S+) \(0x', subprocess.run(['ldd', program], stdout=subprocess.PIPE, env={}).stdout.decode()):
        to = 'jail' + (library if library.startswith('/lib64/') else '/lib/x86_64-linux-gnu/' + os.path.basename(library))
        if not os.path.exists(to):
            shutil.copy(library, to)


for program in ['/bin/sh', '/bin/cat', '/bin/ls', '/usr/bin/readlink', '/usr/bin/id', '/usr/bin/env']:
    put(os.path.realpath(program), os.path.basename(program))
write('jail/etc/name', 'of the jail\n')
write('jail/sub/etc/name', 'of the inner one\n')
write('outside', 'outside\n')
write('jail/script', '#!/bin/sh\necho script $0 "$@"\n', 0o755)
write('jail/orphan', '#!/usr/bin/python3\n', 0o755)
write('jail/twice', '#!/script of\n', 0o755)
os.symlink('/etc/name', 'jail/absolute')
os.symlink('../../../../../../../../etc/name', 'jail/etc/upwards')
os.symlink('/etc/name', 'to-name')
os.symlink('loop', 'loop')
os.symlink('jail', 'to-jail')
os.symlink('/bin/sh', 'jail/opt/shell')
os.symlink(here, 'jail/home')
os.chmod('jail/closed', 0o700)
write('main.c', '''
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
    char text[100] = "", cwd[5000];
    int file = open("/etc/name", O_RDONLY);
    printf("%s %s %ld %d %s", argv[0], getcwd(cwd, sizeof cwd), (long)read(file, text, 99), access("/usr", F_OK), text);
#ifdef DYNAMIC
    void *library = dlopen("libextra.so", RTLD_NOW);
    printf("%s\\n", library ? ((const char *(*)(void))dlsym(library, "name"))() : "no library");
#endif
    fflush(stdout);
    if (argc > 1) execv(argv[1], argv + 1);
    return argc > 1;
}
''')
write('extra.c', 'const char *name(void) { return "extra"; }')
for command in ['cc -static -o jail/bin/static main.c', 'cc -static -o static main.c', 'cc -DDYNAMIC -o jail/bin/dynamic main.c',
                'cc -shared -fPIC -o jail/lib/x86_64-linux-gnu/libextra.so extra.c',
                'cc -shared -fPIC -o jail/opt/libextra.so extra.c -DIN_OPT',
                'cc -o jail/bin/lonely main.c -Wl,--no-as-needed -Ljail/lib/x86_64-linux-gnu -lextra',
                "cc -o jail/bin/origin main.c -Wl,--no-as-needed -Ljail/opt -lextra -Wl,-rpath,/opt,--disable-new-dtags"]:
    subprocess.run(command, shell=True, check=True)
os.link('jail/lib/x86_64-linux-gnu/libextra.so', 'libextra.kept')

print('== refused')
for path in ['none', 'outside', 'outside/x', 'loop', '', 'x' * 300, 'jail/' * 900]:
    in_child(path[:10], lambda: os.chroot(path))
in_child('bad pointer', lambda: (libc.chroot(ctypes.c_void_p(8)), errno.errorcode[ctypes.get_errno()]))
in_child('null', lambda: (libc.chroot(None), errno.errorcode[ctypes.get_errno()]))


def as_nobody(call):
    def act():
        os.setgroups([]), os.setgid(0), os.setresuid(0, 12345, 0)
        return call()
    return act


if open('/proc/self/uid_map').read().split()[2] == '4294967295':
    in_child('not allowed', as_nobody(lambda: os.chroot('jail')))
    in_child('not allowed, none', as_nobody(lambda: os.chroot('none')))
    in_child('not allowed, closed', as_nobody(lambda: os.chroot('jail/closed')))
else:
    print('not allowed EPERM\nnot allowed, none ENOENT\nnot allowed, closed EACCES')


def without_capability():
    header, data = struct.pack('Ii', 0x20080522, 0), ctypes.create_string_buffer(24)
    libc.capget(header, data)
    words = list(struct.unpack('6I', data.raw))
    words[0] &= ~(1 << 18)
    libc.capset(header, struct.pack('6I', *words))
    os.chroot(here + '/jail')


in_child('without the capability', without_capability)
print(raw_getcwd(), os.path.exists('/etc/passwd'))

print('== reached and not')


def enter(path='jail', cwd=None):
    os.chroot(path)
    if cwd is not None:
        os.chdir(cwd)


before = os.open('.', os.O_RDONLY)
sub_before = os.open('jail/sub', os.O_PATH)
host_before = os.open('/etc', os.O_RDONLY)
file_before = os.open('outside', os.O_RDONLY)


def look():
    enter()
    print('cwd stays', raw_getcwd(), read('outside'))
    for path in ['/etc/name', '/absolute', '/etc/upwards', '/home', '/etc/passwd', '/usr', '/proc/self/fd/0', '/dev/null', '/dev/stdin',
                 '/dev/shm', here, '/..', '/../../etc/name', 'jail/absolute', 'to-name', '../' * 20 + 'etc/passwd', '/opt/shell']:
        tried(path.replace(here, 'HERE'), lambda: stat.filemode(os.stat(path).st_mode))
    print(os.stat('/').st_ino == os.stat('/..').st_ino, os.stat('/').st_ino == os.stat('jail').st_ino)
    tried('from a descriptor', lambda: (read('outside', before), read('to-name', before), read('etc/name', sub_before)))
    tried('above it', lambda: read('../etc/name', sub_before))
    tried('the host', lambda: read('passwd', host_before)[:4])
    tried('absolute with a descriptor', lambda: read('/etc/name', host_before))
    os.chdir('/')
    print(raw_getcwd(), sorted(os.listdir('.')), sorted(os.listdir('/')))
    os.chdir('bin/../etc')
    print(raw_getcwd(), read('name'), read('../etc/name'), read('../../../etc/name'), os.readlink('/absolute'))
    os.chdir('/../..')
    print(raw_getcwd())
    os.fchdir(sub_before)
    print(raw_getcwd(), read('etc/name'))
    os.fchdir(before)
    print(raw_getcwd())
    os.fchdir(host_before)
    print(raw_getcwd(), read('passwd')[:4])
    os.chdir('..')
    print(raw_getcwd(), os.path.exists('etc/passwd'), os.path.exists('/etc/passwd'))


in_child('look', look)


def change():
    enter(here + '/to-jail', '/tmp')
    write('/tmp/made', 'made\n')
    os.mkdir('/made')
    os.symlink('/tmp/made', '/made/link')
    os.link('/tmp/made', 'linked')
    os.rename('/tmp/linked', '/made/moved')
    os.chmod('/made', 0o711), os.truncate('/made/moved', 2)
    print(read('/made/link'), os.stat('made').st_nlink, sorted(os.listdir('/made')), os.statvfs('/').f_bsize)
    tried('out', lambda: os.rename('/tmp/made', here + '/made'))
    tried('in the way', lambda: os.mkdir('/etc'))
    tried('the root', lambda: os.rmdir('/'))
    listener, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    listener.bind('/tmp/socket'), listener.listen(1), client.connect('/tmp/../tmp/socket')
    print(client.getpeername(), stat.filemode(os.stat('socket').st_mode))
    os.mkfifo('/tmp/fifo')
    both = os.open('/tmp/fifo', os.O_RDWR)
    print(os.write(both, b'x'), os.read(both, 10), os.stat('fifo').st_ino == os.fstat(both).st_ino)
    shutil.rmtree('/made')
    os.unlink('/tmp/socket'), os.unlink('fifo')


in_child('change', change)
print(sorted(os.listdir('jail/tmp')), read('jail/tmp/made'))
os.unlink('jail/tmp/made')


def resolve():
    IN_ROOT, BENEATH, NO_LINKS = 0x10, 8, 4
    for descriptor in [before, sub_before]:
        for path in ['etc/name', '/etc/name', 'jail/absolute', '../etc/name', '/jail/etc/upwards', 'to-name']:
            print(path, [opened_in(descriptor, path, how) for how in [0, IN_ROOT, BENEATH, NO_LINKS]])


print('== openat2')
resolve()
in_child('openat2', lambda: (enter(), resolve()))

print('== threads, forks, inner roots')


def threads():
    found = []
    ready, go = threading.Event(), threading.Event()

    def other():
        ready.set(), go.wait()
        found.append(read('/etc/name'))
        os.chroot('/sub')
        os.chdir('/')
    thread = threading.Thread(target=other)
    thread.start(), ready.wait()
    enter()
    go.set(), thread.join()
    print(found, read('/etc/name'), raw_getcwd())
    child = os.fork()
    if child == 0:
        print(read('/etc/name'), os.path.exists('/bin'))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    tried('no more', lambda: os.chroot('/sub'))


in_child('threads', threads)


def fork_changes():
    child = os.fork()
    if child == 0:
        enter(), os._exit(not os.path.exists('/script'))
    print(os.waitpid(child, 0)[1], os.path.exists('/script'), os.path.exists('/etc/passwd'))


in_child('only the child', fork_changes)


def escape():
    enter(cwd='/')
    os.mkdir('/tmp/inner')
    os.chroot('/tmp/inner')
    print(raw_getcwd())
    for _ in range(100):
        os.chdir('..')
    print(raw_getcwd())
    os.chdir('.' + own_root)
    os.chroot('.')
    os.chdir('/')
    print(raw_getcwd(), os.path.exists('/etc/passwd'), read(here + '/outside'), os.path.exists('/script'))
    os.rmdir(here + '/jail/tmp/inner')


in_child('the way out', escape)


def removed():
    os.mkdir('gone')
    enter('gone')
    os.rmdir('gone')
    print(raw_getcwd())
    tried('list', lambda: os.listdir('/'))
    tried('make', lambda: os.mkdir('/x'))
    tried('dots', lambda: os.stat('/..').st_nlink)
    os.chdir('/')
    print(raw_getcwd())


in_child('removed', removed)
in_child('the whole', lambda: (enter('.', '/'), raw_getcwd(), sorted(os.listdir('/')), read('/to-jail/etc/name'),
                               os.path.exists('/etc/passwd'), os.stat('/..').st_ino == os.stat('/').st_ino))
in_child('by a link', lambda: (enter('to-jail/../to-jail/sub', '/'), read('/etc/name')))

print('== programs')


def execute(*words, cwd='/', environment={}):
    enter(cwd=cwd)
    os.execve(words[0], list(words), environment)


def shell(text, **more):
    in_child(text, lambda: execute('/bin/sh', '-c', text, **more))


shell('pwd; echo *; cat /etc/name; cd etc; pwd; cat name ../etc/name /absolute; cd /..; pwd')
shell('ls /; ls -d /absolute; readlink /absolute; cat /etc/passwd /proc/version 2>/tmp/errors; echo $?')
shell('/script 1 2; ./script; cd bin; ../script; /twice x; /opt/shell -c "echo by link"')
shell('/orphan 2>/tmp/errors; echo $?; /etc/name 2>/tmp/errors; echo $?; /nothing 2>/tmp/errors; echo $?; /tmp 2>/tmp/errors; echo $?')
shell('/bin/static; /bin/static /bin/static /bin/cat /etc/name; cd /tmp; static', environment={'PATH': '/bin'})
shell('/bin/dynamic; dynamic /bin/static; /bin/dynamic /script z', environment={'PATH': '/bin'})
shell('/bin/lonely; /bin/origin; cat /etc/name | cat | /bin/cat; (echo in a subshell; cat </etc/name); x=$(cat /etc/name); echo "$x"')
shell('id -u; env | while read line; do case $line in PWD=*|PATH=*) echo $line ;; esac; done; exec /bin/sh -c "cat /etc/name; exec /script last"', environment={'PATH': '/bin'})
shell('echo >/tmp/t; while read line; do echo "$line"; done </etc/name; cat <<END\nhere\nEND\nls /tmp; echo /tmp/*; test -e /usr; echo $?')
os.rename('jail/lib/x86_64-linux-gnu/libextra.so', 'libextra.moved')
shell('/bin/lonely 2>/tmp/errors; echo $?; /bin/dynamic; /bin/origin')
os.rename('libextra.moved', 'jail/lib/x86_64-linux-gnu/libextra.so')
os.rename('jail/lib64', 'jail/lib63')
in_child('no loader', lambda: execute('/bin/sh', '-c', 'echo'))
in_child('static needs none', lambda: execute('/bin/static'))
os.rename('jail/lib63', 'jail/lib64')
in_child('the host\'s shell', lambda: execute('/usr/bin/python3', '-c', ''))
in_child('relative', lambda: (enter(), os.execve('jail/bin/cat', ['cat', '/etc/name'], {})))
in_child('static from outside', lambda: (enter(), os.execve('./static', ['static'], {})))
program_before = os.open('jail/bin/cat', os.O_RDONLY)
in_child('by descriptor', lambda: (enter(), os.execve(program_before, ['cat', '/etc/name'], {})))


def spawn():
    enter(cwd='/')
    child = os.posix_spawn('/bin/cat', ['cat', '/etc/name'], {})
    print(os.waitpid(child, 0)[1])
    child = os.posix_spawnp('cat', ['cat', '/etc/name', 'absolute'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 2, '/tmp/errors', os.O_CREAT | os.O_WRONLY, 0o600)])
    print(os.waitpid(child, 0)[1], os.path.exists('/tmp/errors'))


os.environ['PATH'] = '/bin:/usr/bin:/usr/sbin'
in_child('spawn', spawn)
print(subprocess.run(['chroot', 'jail', '/bin/sh', '-c', 'pwd; cat /etc/name; ls /; exec /script'], stdout=subprocess.PIPE).stdout)
print(subprocess.run(['chroot', 'jail/sub', '/bin/sh'], stderr=subprocess.DEVNULL).returncode)
print(subprocess.run('chroot . jail/bin/static | cut -c1-20; chroot jail /bin/sh -c "echo x >/tmp/by-shell"; cat jail/tmp/by-shell', shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
# The same program with another root: its copies are others.
os.makedirs('jail/jail/bin'), os.makedirs('jail/jail/lib64'), os.makedirs('jail/jail/lib/x86_64-linux-gnu'), os.mkdir('jail/jail/etc')
for directory in ['bin', 'lib64', 'lib/x86_64-linux-gnu', 'etc']:
    for name in os.listdir('jail/' + directory):
        os.link('jail/%s/%s' % (directory, name), 'jail/jail/%s/%s' % (directory, name), follow_symlinks=False)
for _ in range(2):
    for root in ['jail', 'jail/jail']:
        print(subprocess.run(['chroot', root, '/bin/sh', '-c', 'ls /; cat /etc/name; /bin/dynamic'], stdout=subprocess.PIPE).stdout)
print(subprocess.run(['jail/bin/cat', 'jail/etc/name'], stdout=subprocess.PIPE).stdout)

print('== a child in its parent\'s memory')
write('vfork.c', '''
#define _GNU_SOURCE
#include <stdio.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    for (int kind = 0; kind < 2; kind++) {
        volatile int saw = -1;
        pid_t child = vfork();
        if (child == 0) {
            saw = chroot("jail") == 0 && chdir("/") == 0 && access("/script", F_OK) == 0 && access("/etc/passwd", F_OK) != 0;
            if (kind) execl("/bin/cat", "cat", "/etc/name", (char *)0);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        printf("%d %d %d %d\\n", saw, status, access("/script", F_OK), access("/etc/passwd", F_OK));
        fflush(stdout);
    }
    return 0;
}
''')
subprocess.run('cc -o vfork vfork.c', shell=True, check=True)
print(subprocess.run('./vfork', stdout=subprocess.PIPE).stdout)
