# ssh_case: keys, and a session over a pipe to a server of our own, whose first part
# locks itself into a seccomp filter that kills on every call it does not expect.
export PATH=$PATH:/usr/sbin
chmod 700 .
ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ecdsa -N '' -f user && cp user.pub authorized && chmod 600 authorized
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
cat > config <<END
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
AcceptEnv LD_PRELOAD TRACE_ALL_RECORD PASS_ALL_WAY PMEMFILE_CACHE_DIR
END
sshd_path=$(command -v sshd) && $sshd_path -t -f config && echo config
session() {
    ssh -F none -i user -o SendEnv='LD_PRELOAD TRACE_ALL_RECORD PASS_ALL_WAY PMEMFILE_CACHE_DIR' -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o LogLevel=ERROR \
        -o ProxyCommand="$sshd_path -i -f $PWD/config -E $PWD/log" "$(id -un)@nowhere" "$@"
}
session 'echo session; exit 3'; echo "status $?"
seq $((10000 * SCALE)) | session 'cat | sha256sum'
session -tt 'tty >/dev/null && echo terminal' </dev/null
grep -ciE 'fatal|killed|sandbox' log
ssh-keygen -lf host.pub | grep -c SHA256
