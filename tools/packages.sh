# Sourced by tools/demo and tools/test: the packages of Debian 12 that a build
# needs, installed by name when they are missing, and the build itself.

project_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$project_root/build

packages=(
    meson ninja-build g++ gcc make pkg-config git procps
    libpmem-dev libpmemobj-dev libcapstone-dev libxxhash-dev
    libcli11-dev libfmt-dev nlohmann-json3-dev
    libgtest-dev libgmock-dev libbenchmark-dev libunicorn-dev
    sqlite3 strace gawk python3 valgrind mandoc
)

# Installs what is missing of the packages, and of those that are named besides.
install_packages() {
    local missing=()
    for package in "${packages[@]}" "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "missing packages, and neither root nor sudo: ${missing[*]}" >&2; return 1; }
        as_root=(sudo)
    fi
    echo "installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -q >/dev/null || return 1
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        "${missing[@]}" >/dev/null || return 1
}

# Debian's kernel, unpacked into the build directory: tests/dax boots it in an emulated machine. Not installed: this
# machine boots as before.
unpack_kernel() {
    local kernel=$build_dir/kernel package
    [ -z "$(find "$kernel/boot" -name 'vmlinuz-*' 2>/dev/null)" ] || return 0
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -n "$package" ] && mkdir -p "$kernel" || return 1
    (cd "$kernel" && apt-get download -q "$package" >/dev/null 2>&1 && dpkg-deb -x "$package"_*.deb . && rm "$package"_*.deb)
}

# Configures and compiles everything, or only the files that are named; quiet unless it fails.
build_project() {
    local log
    log=$(mktemp)
    if ! { [ -f "$build_dir/build.ninja" ] || meson setup "$build_dir" "$project_root"; } >"$log" 2>&1 ||
        ! ninja -C "$build_dir" "$@" >>"$log" 2>&1; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
