# rust_case: Debian's rustc (its own threads, LLVM), and a program of many threads that panics and unwinds.
cat > m.rs <<'END'
use std::{thread, sync::mpsc, process::Command};
const SCALE: u64 = SCALE_VALUE;
fn main() {
    let (tx, rx) = mpsc::channel();
    for i in 0..8 { let tx = tx.clone(); thread::spawn(move || { let s: f64 = (1..SCALE * 20000).map(|x| (x as f64).sqrt() * i as f64).sum(); tx.send((i, s)).unwrap(); }); }
    drop(tx);
    let mut all: Vec<_> = rx.iter().collect(); all.sort_by(|a, b| a.0.cmp(&b.0)); println!("{:?}", all);
    println!("{}", thread::spawn(|| { if std::env::args().count() < 9 { panic!("on purpose") } }).join().is_err());
    println!("{:?}", Command::new("echo").arg("child").output().unwrap().stdout);
}
END
sed -i s/SCALE_VALUE/$SCALE/ m.rs
/usr/bin/rustc -O -C codegen-units=4 m.rs 2>&1 && ./m 2>/dev/null && /usr/bin/rustc --version | cut -d' ' -f1
