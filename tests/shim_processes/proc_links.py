# What /proc tells of open files and the working directory; the same on tmpfs (compare_script.sh).
import errno, os, stat, subprocess, sys

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
