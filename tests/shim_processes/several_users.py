# several_users.py MOUNT MODE GROUP FIRST: three users who may all open the pool (MODE 666: as anybody may; 660: as members
# of GROUP) meet at sockets and fifos and watch each other's files. FIRST is who comes first: the host's directories beside
# the pool are made by that one.
import ctypes, os, signal, socket, sys

mount, mode, group, first = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
users = {'one': 65531, 'other': 65532, 'root': 0}
living = []
order = [first] + [user for user in users if user != first]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(mount)
os.chmod('.', 0o777)
os.umask(0)


def as_user(user, act, *arguments):
    child = os.fork()
    if child != 0:
        living.append(child)
        return child
    code = 1
    try:
        if users[user] != 0:
            os.setgroups([group] if mode == '660' else [])
            os.setgid(users[user])
            os.setuid(users[user])
        act(*arguments)
        code = 0
    except OSError as error:
        print(f'{mode}, first {first}: {user}, {act.__name__} {arguments}: {error}', flush=True)
    finally:
        os._exit(code)


def end_of(child):
    living.remove(child)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        give_up()


def give_up():
    for child in living:  # which waits for the one that has failed
        os.kill(child, signal.SIGKILL)
    sys.exit(1)


def answer(name, ready):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    os.chmod(name, 0o777)
    listener.listen(5)
    os.write(ready, b'x')
    for _ in users:
        listener.accept()[0].sendall(b'hello')


def ask(name):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
        client.recv(5, socket.MSG_WAITALL)


def read_fifo(name):
    with open(name) as fifo:
        fifo.read()


def write_fifo(name):
    with open(name, 'w') as fifo:
        fifo.write('text')


def watch(name):
    watcher = libc.inotify_init1(0)
    if libc.inotify_add_watch(watcher, b'.', 0x100) < 0:
        raise OSError(ctypes.get_errno(), 'watch')
    open(name, 'w').close()
    os.read(watcher, 4096)


for server in order:
    ready, told = os.pipe()
    child = as_user(server, answer, f'socket-{server}', told)
    os.close(told)
    if os.read(ready, 1) != b'x':
        give_up()
    for client in order:
        end_of(as_user(client, ask, f'socket-{server}'))
    end_of(child)
for reader in order:
    for writer in order:
        name = f'fifo-{reader}-{writer}'
        end_of(as_user(reader, os.mkfifo, name))
        children = [as_user(reader, read_fifo, name), as_user(writer, write_fifo, name)]
        for child in children:
            end_of(child)
for user in order:
    end_of(as_user(user, watch, f'file-{user}'))
print(f'{mode}, first {first}: {len(os.listdir("."))} names')
