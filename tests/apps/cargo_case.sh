#!/bin/bash
# cargo_case: cargo builds a program with a path dependency, a build script and a dynamic library offline, tests it, changes it,
# builds again, and what came out is run; its target directory and its home are in the pool.
# needs: cargo rustc
set -u
export LC_ALL=C HOME=$PWD/home CARGO_HOME=$PWD/home/cargo CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never RUSTC=/usr/bin/rustc
export PATH=/usr/bin:/bin
mkdir -p home app/src part/src
cat > part/Cargo.toml <<'T'
[package]
name = "part"
version = "0.1.0"
edition = "2021"
[lib]
crate-type = ["rlib", "cdylib"]
T
cat > part/src/lib.rs <<'R'
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
pub fn count(path: &str) -> io::Result<HashMap<String, usize>> {
    let mut words = HashMap::new();
    for line in BufReader::new(File::open(path)?).lines() {
        for word in line?.split_whitespace() {
            *words.entry(word.to_string()).or_insert(0) += 1;
        }
    }
    Ok(words)
}
#[no_mangle]
pub extern "C" fn twice(n: i32) -> i32 { 2 * n }
#[cfg(test)]
mod tests {
    #[test]
    fn counts() {
        std::fs::write("words", "a b a").unwrap();
        assert_eq!(super::count("words").unwrap()["a"], 2);
        std::fs::remove_file("words").unwrap();
    }
}
R
cat > app/Cargo.toml <<'T'
[package]
name = "app"
version = "0.1.0"
edition = "2021"
[dependencies]
part = { path = "../part" }
T
cat > app/build.rs <<'R'
fn main() {
    let to = std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("made.rs");
    std::fs::write(to, "pub const MADE: &str = \"made by the build script\";").unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
R
cat > app/src/main.rs <<'R'
include!(concat!(env!("OUT_DIR"), "/made.rs"));
fn main() {
    std::fs::write("text", "one two two three three three").unwrap();
    let mut words: Vec<_> = part::count("text").unwrap().into_iter().collect();
    words.sort();
    println!("{MADE}: {words:?} {}", part::twice(21));
}
R
printf '[workspace]\nmembers = ["app", "part"]\n[profile.release]\nlto = "thin"\n' > Cargo.toml
said() { sed -E 's/ in [0-9.]+s//; s/-[0-9a-f]{16}/-HASH/; s/finished in .*//' | grep -E 'Compiling|Finished|Fresh|test |error|warning' | sort; }
cargo build -j 2 2>&1 | said
target/debug/app; (cd home && ../target/debug/app && ls)
cargo build 2>&1 | said
sleep 1.1; sed -i 's/made by/remade by/' app/build.rs
cargo build 2>&1 | said; target/debug/app
cargo build --release 2>&1 | said; cargo run -q --release
cargo test 2>&1 | said
python3 -c 'import ctypes, os; print(ctypes.CDLL(os.getcwd() + "/target/release/libpart.so").twice(4))'
cargo metadata --format-version 1 --offline | python3 -c 'import json, sys; print(sorted(p["name"] for p in json.load(sys.stdin)["packages"]))'
cargo clean -q 2>&1; ls target 2>&1 | wc -l
rm -rf target home
