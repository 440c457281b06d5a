#!/bin/bash
# package_case: dpkg-deb builds and unpacks a package, dpkg installs and removes it below a root of its own, and
# sftp-server moves files about.
set -u
export LC_ALL=C
mkdir -p package/DEBIAN package/usr/share/x
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' > package/DEBIAN/control
printf '#!/bin/sh\necho "configured $1"\n' > package/DEBIAN/postinst && chmod 755 package/DEBIAN/postinst
for i in $(seq 50); do echo "file $i" > package/usr/share/x/$i; done
dpkg-deb --root-owner-group -b package x.deb
dpkg-deb -c x.deb | wc -l
dpkg-deb -x x.deb out && diff -r package/usr out/usr && dpkg-deb -f x.deb Package
mkdir -p admin/updates admin/info root && : > admin/status && : > admin/available
for action in -i -P; do
    target=x; [ $action = -i ] && target=x.deb
    dpkg --admindir="$PWD/admin" --instdir="$PWD/root" --force-not-root --force-script-chrootless --no-triggers --log="$PWD/log" \
        $action $target 2>&1 | grep -v 'Reading database'
    find root | wc -l
    dpkg --admindir="$PWD/admin" -l 2>/dev/null | tail -n +6 | awk '{ print $1, $2, $3 }'
done
head -c 300000 /dev/zero | tr '\0' x > big
printf '%s\n' 'mkdir remote' 'put big remote/big' 'rename remote/big remote/moved' 'ls -1 remote' 'get remote/moved got' 'ln -s moved remote/link' \
    'chmod 600 remote/moved' 'put big remote/second' 'rm remote/moved' 'rm remote/link' 'rm remote/second' 'rmdir remote' |
    sftp -q -b - -D /usr/lib/openssh/sftp-server 2>&1
cmp big got && echo same
rm -rf x.deb admin log
