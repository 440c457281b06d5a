# python_case: processes, threads, signals, sockets, select loops and floats.
python3 - <<'END'
import os; SCALE = int(os.environ["SCALE"])
import asyncio, ctypes, math, multiprocessing, os, select, signal, socket, subprocess, threading, time
print(subprocess.run(["echo", "hi"], capture_output=True).stdout, subprocess.check_output("echo $0", shell=True))
results = []
threads = [threading.Thread(target=lambda i=i: results.append(sum(math.sqrt(x) for x in range(2000)) + i)) for i in range(16 * SCALE)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(results), round(sum(results), 6))
pid = os.fork()
if pid == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.signal(signal.SIGALRM, lambda *a: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.02); time.sleep(0.1)
print(os.posix_spawn("/bin/true", ["true"], {}) > 0, os.wait()[1])
a, b = socket.socketpair()
def echo():
    while data := b.recv(100): b.sendall(data.upper())
t = threading.Thread(target=echo); t.start()
for i in range(50 * SCALE): a.sendall(b"x%d" % i); assert a.recv(100) == b"X%d" % i
a.close(); t.join()
async def client(port):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(b"line\n"); print(await r.readline()); w.close()
async def main():
    server = await asyncio.start_server(lambda r, w: reply(r, w), "127.0.0.1", 0)
    await client(server.sockets[0].getsockname()[1]); server.close()
    p = await asyncio.create_subprocess_exec("echo", "async", stdout=-1); print(await p.communicate())
async def reply(r, w): w.write(await r.readline()); await w.drain(); w.close()
asyncio.run(main())
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool: print(pool.map(math.factorial, range(8)))
print(ctypes.CDLL(None).getppid() == os.getppid())
END
