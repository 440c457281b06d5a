# The first socket of a pool is bound while others already wait for its connection or message: they see the address that
# was asked for. The receivers' own sockets are abstract. The same on tmpfs (compare_script.sh).
import os, signal, socket, sys, time

os.chdir(sys.argv[1])
signal.alarm(60)


def wait_in_call(pid):
    """Until the process sleeps in a call of the kernel on a socket."""
    calls = {43, 45, 47, 288}  # accept, recvfrom, recvmsg, accept4
    while True:
        with open('/proc/%d/syscall' % pid) as file:
            number = file.read().split()[0]
        if number.isdigit() and int(number) in calls:
            return
        time.sleep(0.001)


def receiver(kind, name, receive):
    """A process that waits, and the end of a pipe that it tells the address by."""
    receiving = socket.socket(socket.AF_UNIX, kind)
    receiving.bind('\0%s-%d' % (name, os.getpid()))
    if kind == socket.SOCK_STREAM:
        receiving.listen(1)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, repr(receive(receiving)).encode())
        os._exit(0)
    os.close(writing)
    wait_in_call(pid)
    return pid, reading, receiving.getsockname()


cases = [
    ('accept', socket.SOCK_STREAM, lambda s: s.accept()[1]),
    ('recvfrom', socket.SOCK_DGRAM, lambda s: s.recvfrom(10)),
    ('recvmsg', socket.SOCK_DGRAM, lambda s: s.recvmsg(10)),
]
receivers = [(name, kind, *receiver(kind, name, receive)) for name, kind, receive in cases]
for name, kind, pid, reading, address in receivers:
    peer = socket.socket(socket.AF_UNIX, kind)
    peer.bind('a peer of ' + name)
    peer.connect(address)
    if kind == socket.SOCK_DGRAM:
        peer.send(b'message')
    print(name, os.read(reading, 1000).decode())
    os.waitpid(pid, 0)
