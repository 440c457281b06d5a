#!/bin/bash
# python_case: what python's standard library does with files: tempfile, mmap, shutil, multiprocessing with its three ways
# to start, locks, sendfile, venv and compiled modules.
# needs: python3
set -u
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
cat > case.py <<'P'
import dbm.dumb, fcntl, glob, mailbox, mmap, multiprocessing, os, pathlib, shutil, sqlite3, stat, sys, tempfile, threading, zipfile
def work(queue, i):
    pathlib.Path(f"work{i}").write_text("x" * i)
    queue.put((i, os.path.basename(os.getcwd())))
def add(i):
    with open("counter", "r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        n = int(file.read()); file.seek(0); file.write(str(n + i)); file.flush()
if __name__ == "__main__":
    tempfile.tempdir = os.getcwd()
    with tempfile.TemporaryFile() as file:
        file.write(b"x"); file.flush(); print("links", os.fstat(file.fileno()).st_nlink)
    with tempfile.NamedTemporaryFile() as file: print(os.path.exists(file.name), oct(os.stat(file.name).st_mode))
    with tempfile.TemporaryDirectory() as name: pathlib.Path(name, "a").touch()
    print(os.path.exists(name))
    with open("map", "w+b") as file:
        file.truncate(1 << 20)
        with mmap.mmap(file.fileno(), 0) as m:
            m[5:10] = b"hello"; m.flush(); file.seek(5); print(file.read(5))
            m.resize(2 << 20); m[-1] = 7; print(os.path.getsize("map"), m.find(b"llo"))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as m: m[0:3] = b"xyz"; file.seek(0); print(file.read(3))
    tempfile.tempdir = os.getcwd() # where multiprocessing binds its sockets
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        processes = [context.Process(target=work, args=(queue, i)) for i in range(4)]
        for p in processes: p.start()
        print(method, sorted(queue.get(timeout=60) for p in processes))
        for p in processes: p.join()
    pathlib.Path("counter").write_text("0")
    with multiprocessing.Pool(4) as pool: pool.map(add, range(200))
    print(pathlib.Path("counter").read_text())
    os.mkdir("tree"); [pathlib.Path("tree", str(i)).write_text(str(i) * 100) for i in range(100)]
    shutil.copytree("tree", "copy"); shutil.make_archive("archive", "gztar", "copy"); shutil.unpack_archive("archive.tar.gz", "unpacked")
    print(sorted(os.listdir("unpacked")) == sorted(os.listdir("tree"))); shutil.move("unpacked", "copy/moved"); shutil.rmtree("tree")
    print(shutil.disk_usage(".").total > 0, os.path.ismount(os.path.dirname(os.getcwd())) in (True, False), os.path.samefile(".", os.getcwd()))
    source, target = os.open("map", os.O_RDONLY), os.open("out", os.O_CREAT | os.O_RDWR)
    print(os.sendfile(target, source, 0, 1000), os.copy_file_range(source, target, 500), os.lseek(target, 0, os.SEEK_END))
    os.posix_fallocate(target, 0, 10000); print(os.fstat(target).st_size, os.pread(target, 5, 5)); os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
    with os.scandir(".") as it: print(sorted(e.name for e in it if e.is_dir() and not e.name.startswith("pymp-")))
    print(os.readlink("/proc/self/cwd") == os.getcwd(), os.readlink("/proc/self/fd/%d" % target) == os.path.join(os.getcwd(), "out"))
    os.symlink("out", "link"); print(os.path.realpath("link") == os.path.join(os.getcwd(), "out"), sorted(glob.glob("**/9*", recursive=True))[:1])
    directory = os.open("copy", os.O_RDONLY); print(os.stat("5", dir_fd=directory).st_size); os.rename("5", "five", src_dir_fd=directory, dst_dir_fd=directory)
    connection = sqlite3.connect("db"); connection.execute("create table t(n)"); connection.executemany("insert into t values(?)", [(i,) for i in range(1000)]); connection.commit()
    print(connection.execute("select sum(n) from t").fetchone()); connection.close()
    box = mailbox.Maildir("mail"); key = box.add("Subject: x\n\nbody"); box.flush(); print(len(box), box[key]["subject"]); box.lock()
    mbox = mailbox.mbox("mbox"); mbox.lock(); mbox.add("From: x\n\nbody"); mbox.flush(); mbox.unlock(); print(len(mbox))
    threads = [threading.Thread(target=lambda i=i: pathlib.Path(f"thread{i}").write_text(str(i))) for i in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]; print(len(glob.glob("thread*")))
    with zipfile.ZipFile("z.zip", "w") as z: z.writestr("a", "text" * 100)
    sys.path.insert(0, "z.zip"); os.truncate("map", 10); os.chmod("out", 0o640); os.utime("out", (1, 2)); print(os.stat("out").st_mtime_ns)
P
python3 case.py || echo "failed: $?"
printf 'value = 42\n' > module.py
env -u PYTHONDONTWRITEBYTECODE python3 -c 'import sys; sys.path.insert(0, "."); import module; print(module.value)' && ls __pycache__ | wc -l
python3 -m compileall -q . && python3 -m venv --without-pip venv && venv/bin/python -c 'import sys; print(sys.prefix == sys.exec_prefix, sys.prefix[-4:], sys.base_prefix != sys.prefix)'
rm -rf venv __pycache__ archive.tar.gz db mail mbox z.zip
