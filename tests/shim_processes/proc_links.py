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
print(stat.filemode(os.lstat('/proc/self/fd/%d' % plain).st_mode)[0], stat.filemode(os.stat('/proc/self/fd/%d' % plain).st_mode))
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
