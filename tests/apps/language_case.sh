#!/bin/bash
# language_case: perl, node with npm, and java: their files, maps, children, packages.
# needs: perl node npm java javac
set -u
export LC_ALL=C HOME=$PWD/home
mkdir home
perl -e 'use File::Copy; use File::Find; use File::Temp "tempfile"; use Fcntl ":flock"; use IO::Handle; use Cwd;
mkdir "p"; for (1..50) { open my $f, ">", "p/$_" or die; print $f "x" x $_; close $f }
copy("p/7", "p/seven"); move("p/8", "p/eight"); my $n = 0; find(sub { $n += -s if -f }, "p"); print "$n\n";
my ($fh, $name) = tempfile(DIR => "."); print $fh "temporary\n"; $fh->flush; $fh->sync; print -s $name, "\n"; unlink $name;
open my $l, "+<", "p/1"; flock($l, LOCK_EX) and print "locked\n"; seek $l, 0, 2; print $l "more"; truncate $l, 3; close $l; print -s "p/1", "\n";
tie my %h, "SDBM_File", "db", 0x42, 0644 or print "no dbm\n"; print join(",", sort { $a <=> $b } grep { /^\d$/ } map { s,p/,,r } glob "p/*"), "\n";
my $pid = open(my $c, "-|") // die; if (!$pid) { print getcwd =~ /dir$/ ? "child\n" : "lost\n"; exit } print <$c>;' -MSDBM_File
perl -i.bak -pe 's/x/y/g' p/2 p/3; cat p/2 p/3.bak; echo

cat > case.js <<'N'
const fs = require('fs'), fp = fs.promises, { Worker } = require('worker_threads'), cp = require('child_process');
(async () => {
  await fp.mkdir('a/b', { recursive: true });
  await Promise.all([...Array(200).keys()].map(i => fp.writeFile('a/' + i, 'x'.repeat(i))));
  await fp.cp('a', 'c', { recursive: true }); console.log((await fp.readdir('c')).length);
  await fp.rm('a', { recursive: true });
  const h = await fp.open('c/5', 'r+'); await h.write('zz'); await h.sync(); await h.datasync(); await h.truncate(2);
  console.log((await h.readFile()).toString(), (await h.stat()).size); await h.close();
  fs.copyFileSync('c/6', 'six'); fs.renameSync('six', 'seven'); console.log(fs.statSync('seven').size);
  for await (const d of await fp.opendir('c')) if (d.name == '7') console.log(d.isFile());
  fs.rmdirSync(fs.mkdtempSync('t-')); console.log(cp.execSync('cat seven; basename $PWD').toString());
  await new Promise(done => fs.createReadStream('c/100').pipe(fs.createWriteStream('piped')).on('finish', done));
  console.log(fs.readFileSync('piped').length, fs.realpathSync('c/7').endsWith('/dir/c/7'));
  new Worker('require("fs").writeFileSync("worker", "w")', { eval: true }).on('exit', () => console.log(fs.readFileSync('worker') + ''));
})();
N
node case.js
mkdir package && cd package && echo '{"name":"p","version":"1.0.0","main":"i.js","bin":{"p":"i.js"}}' > package.json
printf '#!/usr/bin/env node\nmodule.exports = 42;\nif (require.main === module) console.log("p runs");\n' > i.js
npm pack --silent 2>/dev/null; cd .. && mkdir app && cd app && echo '{"name":"app","version":"1.0.0"}' > package.json
npm --cache "$PWD/../cache" install --offline --no-audit --no-fund ../package/p-1.0.0.tgz 2>&1 | grep -c added
node -e 'console.log(require("p"))'; node_modules/.bin/p; ls -A node_modules; cd ..

cat > J.java <<'J'
import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import static java.nio.file.StandardOpenOption.*;
public class J {
  public static void main(String[] a) throws Exception {
    Path p = Path.of("f");
    try (FileChannel c = FileChannel.open(p, CREATE, READ, WRITE)) {
      c.write(ByteBuffer.wrap("hello".getBytes()));
      MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20); m.put(1000, (byte) 7); m.force();
      ByteBuffer b = ByteBuffer.allocate(5); c.read(b, 0); System.out.println(c.size() + " " + new String(b.array()));
      FileLock l = c.lock(); System.out.println(l.isValid()); l.release();
      ByteBuffer one = ByteBuffer.allocate(1); c.read(one, 1000); System.out.println(one.get(0)); c.truncate(100);
      try (FileChannel d = FileChannel.open(Path.of("g"), CREATE, WRITE)) { System.out.println(c.transferTo(0, 100, d) + " " + d.transferFrom(c, 0, 100)); }
    }
    Files.createDirectories(Path.of("jd/e")); Files.move(p, Path.of("jd/e/f"), StandardCopyOption.ATOMIC_MOVE);
    try (var s = Files.walk(Path.of("jd"))) { s.sorted().forEach(System.out::println); }
    System.out.println(Files.getFileStore(Path.of(".")).getTotalSpace() > 0);
    Path t = Files.createTempFile(Path.of("."), "x", "y"); Files.delete(t);
    Files.createSymbolicLink(Path.of("sl"), Path.of("jd")); System.out.println(Path.of("sl").toRealPath().getFileName());
    Files.setPosixFilePermissions(Path.of("g"), java.nio.file.attribute.PosixFilePermissions.fromString("rw-------"));
    try (var c = AsynchronousFileChannel.open(Path.of("async"), CREATE, WRITE)) { System.out.println(c.write(ByteBuffer.wrap(new byte[77]), 0).get()); }
    System.out.println(new ProcessBuilder("cat", "sl/e/f").redirectOutput(new java.io.File("out")).start().waitFor() + " " + Files.size(Path.of("out")));
  }
}
J
java -XX:-UsePerfData J.java; javac -d classes J.java && jar cf j.jar -C classes . && mkdir run && cd run && java -XX:-UsePerfData -cp ../j.jar J | tail -1; cd ..
rm -rf home cache classes j.jar package/*.tgz app db.* run/async
