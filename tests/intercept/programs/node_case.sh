# node_case: the compiler's code, the thread pool, worker threads, children, sockets.
node -e '
const { Worker, isMainThread } = require("worker_threads"), fs = require("fs"), cp = require("child_process"), net = require("net"), crypto = require("crypto");
let f = (n) => n < 2 ? n : f(n - 1) + f(n - 2);
console.log(f(24), Math.sqrt(2));
const work = `const { parentPort, workerData } = require("worker_threads"); let s = 0; for (let i = 0; i < 2e5; i++) s += Math.sqrt(i) * workerData;
  require("fs").writeFileSync("w" + workerData, String(s)); parentPort.postMessage(s)`;
const one = (n) => new Promise((good, bad) => { const w = new Worker(work, { eval: true, workerData: n }); w.on("message", good); w.on("error", bad); });
(async () => {
  console.log(await Promise.all([...Array(3 * process.env.SCALE).keys()].map((n) => one(n + 1))));
  console.log(fs.readFileSync("w3", "utf8"), fs.readdirSync(".").length);
  console.log(cp.execSync("echo child; echo $((1+1))").toString(), cp.spawnSync("sh", ["-c", "exit 9"]).status);
  console.log(await new Promise((good) => crypto.pbkdf2("p", "s", 1000, 16, "sha256", (e, k) => good(k.toString("hex")))));
  console.log(await new Promise((good) => { const s = net.createServer((c) => c.end("net")); s.listen(0, "127.0.0.1", () => net.connect(s.address().port, "127.0.0.1").on("data", (d) => { good(d.toString()); s.close(); })); }));
  console.log(await fs.promises.readFile("w1", "utf8"));
})()'
