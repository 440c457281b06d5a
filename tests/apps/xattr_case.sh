#!/bin/bash
# xattr_case: extended attributes and access control lists as programs use them: python's os module,
# cp, tar. Runs in the current directory.
# needs: python3 cp tar rsync
set -u
export LC_ALL=C TZ=UTC
umask 022
say() { echo "== $*"; }
show() { # every name below the arguments, with what it has
    python3 - "$@" <<'END'
import os, sys
for top in sys.argv[1:]:
    for where, directories, files in sorted(os.walk(top)):
        for name in [where] + sorted(os.path.join(where, file) for file in files):
            for attribute in sorted(os.listxattr(name, follow_symlinks=False)):
                value = os.getxattr(name, attribute, follow_symlinks=False)
                print(name, "%o" % os.lstat(name).st_mode, attribute, len(value), value[:48])
END
}

say set
python3 - <<'END'
import errno, os, struct
os.mkdir("tree")
for i in range(20):
    name = "tree/file%d" % i
    open(name, "w").write("content %d" % i)
    for j in range(i):
        os.setxattr(name, "user.attribute%d" % j, b"value %d " % j * i * j)
os.setxattr("tree", "user.comment", b"of a directory")
def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
full = acl((1, 7, 0), (2, 5, 1000), (4, 5, 0), (8, 1, 2000), (16, 7, 0), (32, 1, 0))
os.setxattr("tree/file3", "system.posix_acl_access", full)
os.mkdir("tree/shared")
os.setxattr("tree/shared", "system.posix_acl_default", full)
open("tree/shared/new", "w").write("x")
os.mkdir("tree/shared/below")
for name in ("user.x", "nonsense.x"):
    try:
        os.removexattr("tree", name)
    except OSError as error:
        print(name, errno.errorcode[error.errno])
END
show tree

say cp
cp -a tree copy
show copy
cp tree/file5 plain
show plain

say tar
tar --xattrs --xattrs-include='*' --acls -cf tree.tar tree && mkdir unpacked
tar --xattrs --xattrs-include='*' --acls -xf tree.tar -C unpacked && show unpacked
rm tree.tar

say gone
rm -r tree copy
ls
exit 0
