# process_case: shells, interpreters and tools that fork, exec, lock, signal and pass descriptors on.
# needs: perl python3 gcc flock timeout patch tar
set -u
export LC_ALL=C
trap 'echo trapped' USR1; kill -USR1 $$; 
echo one > a; cat <(sort a) <(echo two) > b; cat b
while read -r l; do echo "l=$l"; done < b
mapfile -t x < b; echo "${#x[@]}"
exec 3>c; echo to3 >&3; exec 3>&-; cat c
exec 4<>d; echo hi >&4; exec 4>&-; cat d
coproc CAT { cat; }; echo through >&${CAT[1]}; read -r z <&${CAT[0]}; echo $z; eval "exec ${CAT[1]}>&-"; wait
(trap 'echo exit-trap >> t' EXIT; exit 3); echo $?; cat t
mkdir -p deep/er/est; (cd deep/er; echo $PWD; cd ..; pwd; ls); pushd deep >/dev/null; popd >/dev/null
find . -type f -exec sh -c 'echo "$1: $(wc -c < "$1")"' _ {} \; | sort
seq 1 100000 | sort -R --random-source=/etc/passwd -S 1M -T . | sort -n -T . -S 1M | tail -1
seq 1 1000 | xargs -P 4 -n 50 sh -c 'touch f$1; rm f$1' _ ; ls | grep -c ^f
dd if=/dev/zero of=z bs=64k count=20 conv=fsync status=none; stat -c %s z; truncate -s 10 z; stat -c %s z
cp -a deep deep2; diff -r deep deep2 && echo same
ln a hard; ln -s a soft; readlink soft; readlink -f soft | sed "s,$PWD,,"; [ a -ef hard ] && echo ef; [ a -nt nothere ] && echo nt
tar cz deep a b | tar tz | sort
perl -e 'open F,">p"; print F "perl\n"; close F; open G,"+<p"; seek G,0,2; print G "more\n"; close G; open H,"p"; print <H>; print -s "p","\n"; opendir D,"."; print join(",",sort grep {/^[a-c]$/} readdir D),"\n"; my $pid=fork; if(!$pid){exec "echo","forked"} waitpid $pid,0; print `cat p`'
python3 - <<'P'
import multiprocessing, threading, os, tempfile, subprocess, shutil, pathlib
def w(i):
    with open(f"mp{i}","w") as f: f.write(str(i))
    return os.getcwd().endswith("dir") , i
if __name__=="__main__":
    with multiprocessing.Pool(4) as p: print(p.map(w, range(8)))
    ts=[threading.Thread(target=w,args=(i,)) for i in range(8,16)]
    [t.start() for t in ts]; [t.join() for t in ts]
    print(sorted(str(p) for p in pathlib.Path(".").glob("mp*")))
    print(subprocess.check_output("cat mp3; pwd | tail -c 4",shell=True))
    d=tempfile.mkdtemp(dir="."); shutil.copytree("deep",d+"/x"); print(sorted(os.listdir(d+"/x"))); shutil.rmtree(d); print(os.path.exists(d))
    os.chdir("deep"); 
    with os.scandir(".") as it: print([ (e.name,e.is_dir()) for e in it])
    r,wr=os.pipe(); pid=os.fork()
    if pid==0: os.write(wr,os.getcwd()[-4:].encode()); os._exit(5)
    print(os.read(r,10), os.waitstatus_to_exitcode(os.waitpid(pid,0)[1]))
P
nohup sh -c 'sleep 0.2; echo late > late' >/dev/null 2>&1 & wait $!; cat late
timeout 0.3 sleep 5; echo $?
timeout 2 sh -c 'exec 5>q; flock 5; echo locked'; 
flock q -c 'echo in lock'
patch -s a <<'D'
--- a
+++ a
@@ -1 +1 @@
-one
+uno
D
cat a
install -m 750 a inst; stat -c '%a %s' inst
echo 'all: o1 o2
o%: ; echo $@ > $@' > Makefile; make -s -j4; cat o1 o2
gzip -nk a; gunzip -c a.gz; awk 'BEGIN{while((getline l < "b")>0) print "awk",l; print "x" > "aw"; close("aw"); system("cat aw")}'
bash -c 'set -m; sleep 0.1 & fg >/dev/null; echo fgdone'
rm -rf deep2; ls -A | tr '\n' ' '
echo
