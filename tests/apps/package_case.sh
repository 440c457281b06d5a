#!/bin/bash
# package_case: dpkg-deb builds and unpacks a package, dpkg installs and removes it below a root of its own,
# sftp-server moves files about, ssh-agent (a copy: the real one is set-gid) keeps a key behind a socket in the pool.
# needs: dpkg dpkg-deb sftp
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
ssh-keygen -q -t ed25519 -N '' -C of-the-case -f key && cp /usr/bin/ssh-agent . && eval "$(./ssh-agent -s -a "$PWD/agent")" > /dev/null
[ -S agent ] && stat -c '%F %a' agent
ssh-add -q key && ssh-add -l | awk '{ print $1, $3, $4 }' && ssh-add -L | cmp - key.pub && ssh-add -q -D && ssh-add -l
SSH_AUTH_SOCK=$PWD/other ssh-add -l 2>&1 | sed 's/agent: .*: /agent: /'
./ssh-agent -k > /dev/null; for _ in $(seq 100); do [ -e agent ] || break; sleep 0.05; done; ls agent key 2>&1
rm -rf x.deb admin log key key.pub ssh-agent
