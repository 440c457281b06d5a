# Sourced by dax_test.sh: a small machine with two NVDIMMs, in emulation, with this build's programs in it.
#
#   host files nvdimm0, nvdimm1 ══ share=on ══► /dev/pmem0 (ext4, DAX)   /dev/dax1.0 (device-dax)
#   initramfs: busybox, our binaries, programs, the libraries that they need; guest_init.sh is its init
#
# What the guest has stored to its NVDIMMs is in the host's files at that instant; what it has only in its page
# cache is gone when qemu is killed. That is the power cut of these tests. (Caches of a CPU are not emulated: a
# flush that is left out is seen by tests/crash, not here.)

guest_cpus=2
guest_memory=900M
nvdimm0_size=320M
nvdimm1_size=192M

# put_in_guest FILE...: under the same names, with the libraries that they need.
put_in_guest() {
    local file
    for file; do
        mkdir -p "$guest_root${file%/*}"
        [ -e "$guest_root$file" ] || cp -L "$file" "$guest_root$file" || return 1
        put_libraries_in_guest "$file" || return 1
    done
}
put_libraries_in_guest() {
    local library
    while read -r library; do
        [ -e "$guest_root$library" ] && continue
        mkdir -p "$guest_root${library%/*}"
        cp -L "$library" "$guest_root$library" || return 1
    done < <(ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}

# put_build_in_guest BUILD FILE...: files of this build, below /pmemfile.
put_build_in_guest() {
    local build=$1 file
    shift
    for file; do
        mkdir -p "$guest_root/pmemfile/${file%/*}"
        cp -L "$build/$file" "$guest_root/pmemfile/$file" && put_libraries_in_guest "$build/$file" || return 1
    done
}

# make_guest KERNEL_ROOT DIRECTORY: its tree, with the kernel's modules, and empty NVDIMMs. KERNEL_ROOT is an unpacked package.
make_guest() {
    local kernel_root=$1 module version
    guest_directory=$2
    guest_kernel=$(find "$kernel_root/boot" -name 'vmlinuz-*' 2>/dev/null | sort | tail -n 1)
    [ -n "$guest_kernel" ] || { echo "no kernel in $kernel_root; tools/test --thorough puts one there" >&2; return 1; }
    version=${guest_kernel##*/vmlinuz-}
    guest_root=$guest_directory/root
    mkdir -p "$guest_root"/{bin,proc,sys,dev,tmp,mnt,modules,tests}
    cp /usr/bin/busybox "$guest_root/bin/busybox" && ln -s busybox "$guest_root/bin/sh" || return 1
    for module in drivers/nvdimm/libnvdimm drivers/acpi/nfit/nfit drivers/nvdimm/nd_btt drivers/nvdimm/nd_pmem \
        drivers/dax/device_dax drivers/dax/dax_pmem; do
        cp "$kernel_root/lib/modules/$version/kernel/$module.ko" "$guest_root/modules/" || return 1
    done
    cp "$(dirname "${BASH_SOURCE[0]}")"/guest_*.sh "$guest_root/tests/" && cp "$guest_root/tests/guest_init.sh" "$guest_root/init" &&
        chmod +x "$guest_root/init" || return 1
    truncate -s "$nvdimm0_size" "$guest_directory/nvdimm0" && truncate -s "$nvdimm1_size" "$guest_directory/nvdimm1"
}

# close_guest: nothing more is put in.
close_guest() {
    (cd "$guest_root" && find . | cpio -o -H newc 2>/dev/null | gzip -1 >"$guest_directory/initramfs") && rm -rf "$guest_root"
}

# boot WORDS...: starts the guest with the words on its kernel's command line; its pid in guest_pid, its console in
# guest_console. Now and then an emulated kernel hangs before its init (seen: a soft lockup in its own crypto tests,
# which are left out since): then it is started again, nothing of ours has run.
boot() {
    local tries
    for tries in 1 2 3; do
        start_guest "$@"
        wait_for '^guest: up' 1 180 && return 0
        kill -0 "$guest_pid" 2>/dev/null || return 1
        echo "dax: the kernel hangs: $(tail -n 1 "$guest_console")" >&2
        cut_power
    done
    return 1
}
start_guest() {
    guest_console=$guest_directory/console
    : >"$guest_console"
    qemu-system-x86_64 -machine q35,nvdimm=on,accel=tcg -cpu max -smp $guest_cpus -m $guest_memory,slots=4,maxmem=4G \
        -display none -monitor none -nic none -serial "file:$guest_console" -no-reboot \
        -kernel "$guest_kernel" -initrd "$guest_directory/initramfs" -append "console=ttyS0 panic=-1 quiet cryptomgr.notests $*" \
        -object "memory-backend-file,id=m0,share=on,mem-path=$guest_directory/nvdimm0,size=$nvdimm0_size" \
        -device nvdimm,id=n0,memdev=m0 \
        -object "memory-backend-file,id=m1,share=on,mem-path=$guest_directory/nvdimm1,size=$nvdimm1_size" \
        -device nvdimm,id=n1,memdev=m1 </dev/null >"$guest_directory/qemu.log" 2>&1 &
    guest_pid=$!
}

# The power goes.
cut_power() {
    kill -9 "$guest_pid"
    wait "$guest_pid" 2>/dev/null
    guest_pid=
}

# wait_for PATTERN COUNT SECONDS: until so many lines of the console match. Fails when the guest has failed or ended
# before.
wait_for() {
    local end=$((SECONDS + $3)) is_over=
    until [ "$(grep -cE "$1" "$guest_console")" -ge "$2" ]; do
        [ -z "$is_over" ] || return 1
        if grep -q '^FAILED' "$guest_console" || ! kill -0 "$guest_pid" 2>/dev/null || [ $SECONDS -ge $end ]; then
            is_over=yes # one more look
        fi
        sleep 0.1
    done
}
