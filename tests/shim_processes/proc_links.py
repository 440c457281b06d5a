# What /proc tells of open files and the working directory; the same on tmpfs (compare_script.sh).
import errno, os, shutil, stat, subprocess, sys

os.chdir(sys.argv[1])


def link(file):
    return os.readlink('/proc/self/fd/%d' % file)


os.makedirs('a/b/c')
plain = os.open('a/file', os.O_RDWR | os.O_CREAT)
print(link(plain))
print(link(os.open('a/file', os.O_RDONLY)), link(os.open('a', os.O_RDONLY)), link(os.open('.', os.O_PATH)))
print(link(os.dup(plain)), os.readlink('/proc/%d/fd/%d' % (os.getpid(), plain)), os.readlink('/dev/fd/%d' % plain))
print(link(os.open('/proc/self/fd/%d' % plain, os.O_RDONLY)))
os.rename('a/file', 'a/other')
print(link(plain))
os.rename('a/other', 'a/b/moved')
print(link(plain))
os.rename('a/b', 'b')
print(link(plain))
os.symlink('b/moved', 'symlink')
print(link(os.open('symlink', os.O_RDONLY)), link(os.open('symlink', os.O_PATH | os.O_NOFOLLOW)))
print(subprocess.run(['readlink', '/proc/self/fd/0'], stdin=plain, stdout=subprocess.PIPE).stdout)
print(subprocess.run('readlink /proc/self/fd/3 /proc/self/cwd; cd b/c; readlink /proc/self/cwd; pwd -P; ls -l /proc/self/fd/3 | sed "s/.*-> //"',
                     shell=True, pass_fds=[plain], stdout=subprocess.PIPE, preexec_fn=lambda: os.dup2(plain, 3)).stdout.decode())
for flags in os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR, os.O_PATH, 3: # lstat and statx say how it is open
    other = os.open('b/moved', flags)
    print(stat.filemode(os.lstat('/proc/self/fd/%d' % other).st_mode), stat.filemode(os.stat('/proc/self/fd/%d' % other).st_mode),
          stat.filemode(os.lstat('/dev/fd/%d' % other).st_mode), os.lstat('/proc/self/fd/%d' % other).st_size,
          subprocess.run(['stat', '-c', '%A %F', '/proc/self/fd/0', '/dev/stdin'], stdin=other, stdout=subprocess.PIPE).stdout)
    os.close(other)
# However it is spelled: what is written there is in the file.
import threading

os.truncate('b/moved', 0)
for front in ['/proc//self/fd', '//proc/self/fd', '/proc/self/./fd', '/./proc/self//fd', '/dev//fd', '/dev/./fd', '/proc/self/task/%d/fd',
              '/proc/self//task/%d/fd', '/proc/%d/task/%d/fd', '/proc/%d//fd', '/proc/thread-self//fd']:
    path = front.replace('%d', str(os.getpid())) + '/%d' % plain
    other = os.open(path, os.O_WRONLY | os.O_APPEND)
    print(front, os.readlink(path), os.write(other, b'x'), os.stat(path).st_size, os.path.samefile(path, 'b/moved'))
    os.close(other)
# The same from a directory of the host: the working one, or a descriptor's, however that came here.
def at_link(path, **at):
    other = os.open(path, os.O_WRONLY | os.O_APPEND, **at)
    os.write(other, b'y'), os.close(other), os.chmod(path, 0o600 + len(path), **at)
    return (os.readlink(path, **at), os.stat(path, **at).st_size, oct(os.stat(plain).st_mode), os.access(path, os.X_OK, **at),
            os.path.samestat(os.stat(path, **at), os.fstat(plain)), stat.S_ISLNK(os.lstat(path, **at).st_mode))


me = str(os.getpid())
for directory, name in [('/', 'proc/self/fd/'), ('/dev', 'fd/'), ('/proc', 'self/./fd/'), ('/proc', me + '//fd/'), ('/proc/self', 'fd/'),
                        ('/proc/self/fd', ''), ('/dev/fd', './'), ('/proc/thread-self/fd', ''), ('/proc/self/task', me + '/fd/'),
                        ('/proc/self/fd', '../../self/fd/'), ('/tmp', '../proc/self/fd/'), ('/tmp', '../dev/fd/')]:
    path = name + str(plain)
    opened = [os.open(directory, flags) for flags in (os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY, os.O_PATH)]
    opened.append(os.dup(opened[0]))
    print(directory, name.replace(me, 'me'), *[at_link(path, dir_fd=file) for file in opened])
    os.chdir(directory)
    print(at_link(path))
    os.chdir(sys.argv[1])
    code = 'import os, sys; print(os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND, dir_fd=int(sys.argv[2])), b"z"))'
    if directory != '/dev/fd' and not directory.startswith('/proc/'): # those of this process, where they are the parent's
        path = path.replace(me, 'self')
        print(subprocess.run([sys.executable, '-c', code, path, str(opened[2])], pass_fds=[plain, opened[2]], stdout=subprocess.PIPE).stdout,
              subprocess.run(['/bin/sh', '-c', 'echo shell >>"$0"', path], cwd=directory, pass_fds=[plain]).returncode, os.fstat(plain).st_size)
    for file in opened:
        os.close(file)
for front in ['/proc/self/fd/../fd/', '/proc/sys/../self/fd/', '/tmp/../proc/self/fd/', '/dev/../dev/fd/', '/proc/self/cwd' + 20 * '/..' + '/proc/self/fd/']:
    print(front, at_link(front + str(plain)))
links = os.open('/proc/self/fd', os.O_RDONLY)
print(os.stat('%d/../b/moved' % os.open('a', os.O_RDONLY), dir_fd=links).st_size, os.readlink('cwd', dir_fd=os.open('/proc/self', os.O_PATH)))
told = []
thread = threading.Thread(target=lambda: told.append(os.stat('/proc/%d/fd/%d' % (threading.get_native_id(), plain)).st_size))
thread.start(), thread.join()
print(told, os.listdir('/proc//self/./fd/%d//.' % os.open('a', os.O_RDONLY)))
# By symlinks of the host, as the logs of servers are sent to the standard output.
log, numbers = (os.environ['OTHER_DIRECTORY'] + name for name in ('/log', '/numbers'))
os.symlink('/dev/stdout', log), os.symlink('/proc/self/fd', numbers)
output = os.open('a/output', os.O_RDWR | os.O_CREAT | os.O_APPEND)
code = '''
import os, sys
for flags in os.O_WRONLY, os.O_WRONLY | os.O_CREAT:
    log = os.open(sys.argv[1], flags | os.O_APPEND)
    os.write(log, b'log'), os.write(1, b'output')
    print(os.path.samestat(os.fstat(log), os.fstat(1)), flush=True)
'''
print(subprocess.run([sys.executable, '-c', code, log], stdout=output).returncode, os.pread(output, 100, 0))
print(subprocess.run(['/bin/sh', '-c', 'echo shell >>"$0"; exec 3>>"$1/1"; echo third >&3', log, numbers], stdout=output).returncode,
      os.pread(output, 100, 0))
# What such a name leads to is told of and changed, and nothing else.
code = '''
import os, sys
log = sys.argv[1]
os.write(1, b'text')
print(os.path.samestat(os.stat(log), os.fstat(1)), os.path.samestat(os.fstat(os.open(log, os.O_PATH)), os.fstat(1)), file=sys.stderr)
os.chmod(log, 0o640), os.chown(log, 5, 6), os.truncate(log, 2), os.utime(log, (7, 8)), os.setxattr(log, 'user.log', b'here')
told = os.fstat(1)
print(oct(told.st_mode), told.st_uid, told.st_gid, told.st_size, told.st_mtime, os.getxattr(1, 'user.log'), os.listxattr(log), file=sys.stderr)
'''
changed = os.open('a/changed', os.O_RDWR | os.O_CREAT)
print(subprocess.run([sys.executable, '-c', code, log], stdout=changed, stderr=subprocess.PIPE).stderr)
# The same of any number of this process, and of what inherits it.
third = os.environ['OTHER_DIRECTORY'] + '/third'
os.symlink('/proc/self/fd/%d' % changed, third)
for name in third, '%s/%d' % (numbers, changed), '%s/../fd/%d' % (numbers, changed):
    for flags in os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_APPEND, os.O_RDWR, os.O_PATH, os.O_RDWR | os.O_CREAT:
        opened = os.open(name, flags)
        print(os.path.samestat(os.fstat(opened), os.fstat(changed)), opened == changed + 1)
        os.close(opened)
    for flags in os.O_DIRECTORY, os.O_NOFOLLOW if name == third else os.O_DIRECTORY:
        try:
            os.open(name, flags)
        except OSError as error:
            print(errno.errorcode[error.errno])
    os.chmod(name, 0o604), os.chown(name, 7, 8), os.truncate(name, 1), os.utime(name, (9, 10)), os.setxattr(name, 'user.log', name[-2:].encode())
    told = os.fstat(changed)
    print(oct(told.st_mode), told.st_uid, told.st_gid, told.st_size, told.st_mtime, os.getxattr(changed, 'user.log'), os.listxattr(name),
          os.statvfs(name).f_blocks == os.fstatvfs(changed).f_blocks)
    with open(name, 'r+') as file:
        file.write('written')
    print(os.pread(changed, 100, 0), subprocess.run(['cat', name], pass_fds=[changed], stdout=subprocess.PIPE).stdout)
    with open(os.open(name, os.O_WRONLY | os.O_TRUNC), 'w') as file:
        file.write('anew')
    print(os.pread(changed, 100, 0))
os.unlink(third), os.unlink(log), os.unlink(numbers)
# And one to the mount point itself, by programs that have no file of it open, too.
mount = os.environ['OTHER_DIRECTORY'] + '/mount'
os.symlink(sys.argv[1], mount)
os.chmod(mount, 0o751), os.utime(mount, (11, 12)), os.setxattr(mount, 'user.root', b'here')
print(oct(os.stat('.').st_mode), os.stat('.').st_mtime, os.listxattr('.'), os.statvfs(mount).f_blocks == os.statvfs('.').f_blocks)
root = os.open(mount, os.O_RDONLY)
print(os.path.samestat(os.fstat(root), os.stat('.')), sorted(os.listdir(root)))
os.close(root)
print(subprocess.run(['sh', '-c', 'chmod 711 mount/; stat -c %a mount/. "$0"; chown 3:4 mount; stat -c "%u %g" "$0"; touch -d @5 mount; stat -c %Y "$0"; '
                      'chown 0:0 mount; stat -c "%u %g" "$0"; chmod 755 mount', sys.argv[1]], cwd=os.path.dirname(mount), stdout=subprocess.PIPE).stdout)
os.unlink(mount)
print(os.path.realpath('/proc/self/fd/%d' % plain), os.path.realpath('/proc/self/cwd'))
os.unlink('b/moved')
print(link(plain).endswith(' (deleted)'))
gone = os.open('b/c', os.O_RDONLY)
os.rmdir('b/c')
print(link(gone).endswith(' (deleted)'))
os.mkdir('cwd'), os.chdir('cwd'), os.rmdir('../cwd')
try:
    print(os.getcwd())
except OSError as error:
    print(errno.errorcode[error.errno])
os.chdir(sys.argv[1])
# Of another process: its program and what it has mapped.
shutil.copy('/bin/cat', 'program')


def running(program):
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(b'x\n')
    process.stdout.readline() # it runs now
    return process


other = running('./program')
exe = '/proc/%d/exe' % other.pid
print(os.readlink(exe), os.path.samefile(exe, 'program'), stat.filemode(os.lstat(exe).st_mode), os.path.realpath(exe))
print(open(exe, 'rb').read() == open('program', 'rb').read())
names = {line.split()[5] for line in open('/proc/%d/maps' % other.pid) if len(line.split()) > 5}
print(os.getcwd() + '/program' in names, any('.run-' in name for name in names))
sleeper = running('/bin/cat')
print(os.readlink('/proc/%d/exe' % sleeper.pid), open('/proc/%d/maps' % sleeper.pid).readline() != '')
for process in other, sleeper:
    process.stdin.close()
    process.wait()
try:
    os.readlink(exe)
except OSError as error:
    print(errno.errorcode[error.errno])
# What it has mapped itself. Of many pieces in a pool, for the other file grew at the same time.
import mmap

one = os.open('a/one', os.O_RDWR | os.O_CREAT)
two = os.open('a/two', os.O_RDWR | os.O_CREAT)
for block in range(16):
    os.write(one, b'1' * 4096)
    os.write(two, b'2' * 4096)


def mapped(table='maps', pid='self', inode=os.fstat(one).st_ino):
    told = []
    for line in open('/proc/%s/%s' % (pid, table)):
        words = line.split(maxsplit=5)
        if len(words) < 6 or '-' not in words[0] or words[4] != str(inode):
            continue
        begin, end = (int(word, 16) for word in words[0].split('-'))
        major, minor = (int(word, 16) for word in words[3].split(':'))
        name = words[5].strip()
        told.append((end - begin, words[1], int(words[2], 16), os.makedev(major, minor) == os.fstat(one).st_dev,
                     name if not name.endswith(' (deleted)') else 'deleted', line.index(words[5])))
    return sorted(told)


views = [mmap.mmap(one, 65536), mmap.mmap(one, 16384, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ, offset=8192),
         mmap.mmap(one, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)]
print(mapped(), mapped(pid=os.getpid()), mapped('smaps') != [])
print({(told[3], told[4]) for told in mapped('smaps')}, sum(told[0] for told in mapped('smaps')))
child = os.fork()
if child == 0:
    print(mapped(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
os.rename('a/one', 'a/renamed')
print(mapped())
views.pop(0).close()
print(mapped())
os.unlink('a/renamed')
print(mapped())
views.clear()
print(mapped())
print([line for line in open('/proc/self/smaps_rollup')][0].split()[-1])
# fdinfo: position, flags and locks; mount, device and inode are those of stat and mountinfo.
import fcntl, re, struct


def information(file, path='/proc/self/fdinfo/%d'):
    status = os.fstat(file)
    mounts = {line.split()[0]: line.split()[2] for line in open('/proc/self/mountinfo')}
    device = '%d:%d' % (os.major(status.st_dev), os.minor(status.st_dev))
    on = '%02x:%02x:%d ' % (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino)
    text = open(path % file).read().replace(' %d ' % os.getpid(), ' pid ').replace(on, 'on ')
    text = text.replace('ino:\t%d\n' % status.st_ino, 'ino: its\n')
    return re.sub(r'mnt_id:\t(\d+)\n', lambda found: 'mnt_id: %s\n' % (mounts[found.group(1)] == device), text)


text = os.open('a/text', os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(text, b'0123456789')
print(information(text))
os.set_inheritable(text, True)
fcntl.lockf(text, fcntl.LOCK_EX, 3, 2), fcntl.flock(text, fcntl.LOCK_SH)
print(information(text))
fcntl.fcntl(text, fcntl.F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 5, 0, 0)), fcntl.lockf(text, fcntl.LOCK_SH, 2, 0)
os.lseek(text, 1 << 40, os.SEEK_SET)
print(information(text, '/proc/%d/fdinfo/%%d' % os.getpid()))
os.close(os.open('a/plain', os.O_RDWR | os.O_CREAT))
print(information(os.open('a/plain', os.O_RDONLY)), information(os.open('a', os.O_PATH)), information(os.open('a', os.O_RDONLY)))
print(information(os.open('a/plain', os.O_WRONLY | os.O_SYNC | os.O_NOATIME)), information(os.open('a', os.O_RDWR | os.O_TMPFILE)))
print(open('/proc/self/fdinfo/%d' % os.open('/dev/null', os.O_RDONLY)).read().splitlines()[0])
