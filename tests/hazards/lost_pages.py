# lost_pages.py DIRECTORY POOL SEED: in this process alone some pages of the pool's memory are not there: a touch is SIGBUS, as
# of a page that the memory has lost, or behind the end of a file that was cut. Whatever call meets one, in whatever
# part of its commit, is EIO; and so is every call afterwards. SEED "stay": a neighbour with all its pages,
# which works until its standard input ends, in the same directory.
import ctypes, errno, os, random, signal, sys, threading

directory, pool, seed = sys.argv[1:]
os.chdir(directory)


# One of the calls, drawn; names are in a directory that all share.
def step(draw, own):
    name = 'shared/%s%d' % (own, draw.randrange(6))
    kind = draw.randrange(6)
    try:
        if kind == 0:
            os.rename(name, 'shared/%s%d' % (own, draw.randrange(6)))
        elif kind == 1:
            os.unlink(name)
        elif kind == 2:
            os.truncate(name, draw.choice([0, 100, 5000, 70000]))
        else:
            file = os.open(name, os.O_CREAT | os.O_RDWR, 0o644)
            os.pwrite(file, b'd' * draw.choice([50, 700, 4096, 20000, 100000]), draw.choice([0, 3000, 50000]))
            os.close(file)
    except FileNotFoundError:
        pass


draw = random.Random(seed)
os.makedirs('shared', exist_ok=True)
if seed == 'stay':
    os.set_blocking(0, False)
    steps = 0
    while True:
        signal.alarm(20)  # nobody may hang for the lost
        step(draw, 'n')
        steps += 1
        try:
            if os.read(0, 1) == b'':
                break
        except BlockingIOError:
            pass
    signal.alarm(0)
    print('neighbour:', steps > 100)
    sys.exit()

for _ in range(20):
    step(draw, 'a')
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
begin = min(int(line.split('-')[0], 16) for line in open('/proc/self/maps') if line.rstrip().endswith(pool))
nothing = os.memfd_create('nothing')
for page in range(2 << 20, 12 << 20, 4096):
    if draw.random() < 0.03:
        libc.mmap(begin + page, 4096, 3, 0x11, nothing, 0)  # PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED
ends = []


def work(number):
    own = random.Random(seed + str(number))
    try:
        for _ in range(4000):
            step(own, 'a')
        ends.append(0)
    except OSError as error:
        ends.append(error.errno)


threads = [threading.Thread(target=work, args=[number]) for number in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
after = 0
for call in [lambda: os.listdir('shared'), lambda: os.stat('shared'), lambda: os.mkdir('new')]:
    try:
        call()
    except OSError as error:
        after += error.errno == errno.EIO
print('lost' if ends == [errno.EIO] * 2 and after == 3 else 'not met' if ends == [0, 0] else ends + [after])
