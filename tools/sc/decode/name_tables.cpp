// name_tables: which values have which names, per kind of argument.
#include "tools/sc/decode/names.h"

#include <csignal>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>

namespace sc {

using intercept::ArgumentKind;

namespace {

// clang-format off
#define N(name) Name{static_cast<uint64_t>(name), #name}
// O_SYNC holds O_DSYNC, O_TMPFILE holds O_DIRECTORY: the wider first.
constexpr Name open_flags[] = {
    N(O_WRONLY), N(O_RDWR), N(O_CREAT), N(O_EXCL), N(O_NOCTTY), N(O_TRUNC), N(O_APPEND), N(O_NONBLOCK), N(O_SYNC),
    N(O_DSYNC), N(O_ASYNC), N(O_DIRECT), {0100000, "O_LARGEFILE"}, N(O_NOFOLLOW), N(O_NOATIME), N(O_CLOEXEC),
    N(O_PATH), N(O_TMPFILE), N(O_DIRECTORY)};
constexpr Name access_modes[] = {
    N(F_OK), N(R_OK), N(W_OK), N(X_OK)};
constexpr Name advices[] = {
    N(MADV_NORMAL), N(MADV_RANDOM), N(MADV_SEQUENTIAL), N(MADV_WILLNEED), N(MADV_DONTNEED), N(MADV_FREE),
    N(MADV_REMOVE), N(MADV_DONTFORK), N(MADV_DOFORK), N(MADV_HWPOISON), {101, "MADV_SOFT_OFFLINE"},
    N(MADV_MERGEABLE), N(MADV_UNMERGEABLE), N(MADV_HUGEPAGE), N(MADV_NOHUGEPAGE), N(MADV_DONTDUMP), N(MADV_DODUMP),
    N(MADV_WIPEONFORK), N(MADV_KEEPONFORK), N(MADV_COLD), N(MADV_PAGEOUT), {22, "MADV_POPULATE_READ"},
    {23, "MADV_POPULATE_WRITE"}, {24, "MADV_DONTNEED_LOCKED"}, {25, "MADV_COLLAPSE"}};
constexpr Name arch_codes[] = {
    {0x1001, "ARCH_SET_GS"}, {0x1002, "ARCH_SET_FS"}, {0x1003, "ARCH_GET_FS"}, {0x1004, "ARCH_GET_GS"},
    {0x1011, "ARCH_GET_CPUID"}, {0x1012, "ARCH_SET_CPUID"}, {0x1021, "ARCH_GET_XCOMP_SUPP"},
    {0x1022, "ARCH_GET_XCOMP_PERM"}, {0x1023, "ARCH_REQ_XCOMP_PERM"}, {0x3001, "ARCH_CET_STATUS"},
    {0x5001, "ARCH_SHSTK_ENABLE"}};
constexpr Name at_flags[] = {
    N(AT_SYMLINK_NOFOLLOW), {0x200, "AT_EACCESS"}, N(AT_SYMLINK_FOLLOW), N(AT_NO_AUTOMOUNT), N(AT_EMPTY_PATH),
    {0x2000, "AT_STATX_FORCE_SYNC"}, {0x4000, "AT_STATX_DONT_SYNC"}, {0x8000, "AT_RECURSIVE"}};
constexpr Name unlink_flags[] = {
    {0x200, "AT_REMOVEDIR"}};
constexpr Name clocks[] = {
    N(CLOCK_REALTIME), N(CLOCK_MONOTONIC), N(CLOCK_PROCESS_CPUTIME_ID), N(CLOCK_THREAD_CPUTIME_ID),
    N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE), N(CLOCK_MONOTONIC_COARSE), N(CLOCK_BOOTTIME),
    N(CLOCK_REALTIME_ALARM), N(CLOCK_BOOTTIME_ALARM), N(CLOCK_TAI)};
constexpr Name clone_flags[] = {
    N(CLONE_VM), N(CLONE_FS), N(CLONE_FILES), N(CLONE_SIGHAND), N(CLONE_PIDFD), N(CLONE_PTRACE), N(CLONE_VFORK),
    N(CLONE_PARENT), N(CLONE_THREAD), N(CLONE_NEWNS), N(CLONE_SYSVSEM), N(CLONE_SETTLS), N(CLONE_PARENT_SETTID),
    N(CLONE_CHILD_CLEARTID), N(CLONE_DETACHED), N(CLONE_UNTRACED), N(CLONE_CHILD_SETTID), N(CLONE_NEWCGROUP),
    N(CLONE_NEWUTS), N(CLONE_NEWIPC), N(CLONE_NEWUSER), N(CLONE_NEWPID), N(CLONE_NEWNET), N(CLONE_IO),
    {0x100000000, "CLONE_CLEAR_SIGHAND"}, {0x200000000, "CLONE_INTO_CGROUP"}};
constexpr Name close_range_flags[] = {
    {2, "CLOSE_RANGE_UNSHARE"}, {4, "CLOSE_RANGE_CLOEXEC"}};
constexpr Name epoll_create_flags[] = {
    N(EPOLL_CLOEXEC)};
constexpr Name epoll_operations[] = {
    N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD)};
constexpr Name eventfd_flags[] = {
    N(EFD_SEMAPHORE), N(EFD_CLOEXEC), N(EFD_NONBLOCK)};
constexpr Name fallocate_modes[] = {
    N(FALLOC_FL_KEEP_SIZE), N(FALLOC_FL_PUNCH_HOLE), N(FALLOC_FL_COLLAPSE_RANGE), N(FALLOC_FL_ZERO_RANGE),
    N(FALLOC_FL_INSERT_RANGE), N(FALLOC_FL_UNSHARE_RANGE)};
constexpr Name fcntl_commands[] = {
    N(F_DUPFD), N(F_GETFD), N(F_SETFD), N(F_GETFL), N(F_SETFL), N(F_GETLK), N(F_SETLK), N(F_SETLKW), N(F_SETOWN),
    N(F_GETOWN), N(F_SETSIG), N(F_GETSIG), N(F_SETOWN_EX), N(F_GETOWN_EX), N(F_OFD_GETLK), N(F_OFD_SETLK),
    N(F_OFD_SETLKW), N(F_SETLEASE), N(F_GETLEASE), N(F_NOTIFY), N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ),
    N(F_GETPIPE_SZ), N(F_ADD_SEALS), N(F_GET_SEALS), N(F_GET_RW_HINT), N(F_SET_RW_HINT), N(F_GET_FILE_RW_HINT),
    N(F_SET_FILE_RW_HINT)};
constexpr Name file_advices[] = {
    N(POSIX_FADV_NORMAL), N(POSIX_FADV_RANDOM), N(POSIX_FADV_SEQUENTIAL), N(POSIX_FADV_WILLNEED),
    N(POSIX_FADV_DONTNEED), N(POSIX_FADV_NOREUSE)};
constexpr Name flock_operations[] = {
    N(LOCK_SH), N(LOCK_EX), N(LOCK_NB), N(LOCK_UN)};
constexpr Name id_types[] = {
    N(P_ALL), N(P_PID), N(P_PGID), N(P_PIDFD)};
constexpr Name inotify_flags[] = {
    N(IN_NONBLOCK), N(IN_CLOEXEC)};
constexpr Name inotify_masks[] = {
    N(IN_ACCESS), N(IN_MODIFY), N(IN_ATTRIB), N(IN_CLOSE_WRITE), N(IN_CLOSE_NOWRITE), N(IN_OPEN), N(IN_MOVED_FROM),
    N(IN_MOVED_TO), N(IN_CREATE), N(IN_DELETE), N(IN_DELETE_SELF), N(IN_MOVE_SELF), N(IN_ONLYDIR),
    N(IN_DONT_FOLLOW), N(IN_EXCL_UNLINK), N(IN_MASK_CREATE), N(IN_MASK_ADD), N(IN_ISDIR), N(IN_ONESHOT)};
constexpr Name ioctl_commands[] = {
    N(TCGETS), N(TCSETS), N(TCSETSW), N(TCSETSF), N(TCSBRK), N(TCXONC), N(TCFLSH), N(TIOCSCTTY), N(TIOCGPGRP),
    N(TIOCSPGRP), N(TIOCGWINSZ), N(TIOCSWINSZ), N(FIONREAD), N(FIONBIO), N(FIOASYNC), N(FIOCLEX), N(FIONCLEX),
    N(TIOCGPTN), N(TIOCSPTLCK), N(TIOCNOTTY), N(TIOCGSID), N(FICLONE), N(FICLONERANGE), N(FIDEDUPERANGE),
    N(FS_IOC_GETFLAGS), N(FS_IOC_SETFLAGS), N(FS_IOC_FIEMAP), N(FIGETBSZ), N(FIBMAP), N(BLKGETSIZE64), N(BLKSSZGET),
    N(TIOCSTI), N(TIOCOUTQ), N(SIOCATMARK), N(TIOCEXCL), N(TIOCNXCL)};
constexpr Name ipc_commands[] = {
    N(IPC_RMID), N(IPC_SET), N(IPC_STAT), {3, "IPC_INFO"}};
constexpr Name ipc_flags[] = {
    N(IPC_CREAT), N(IPC_EXCL), N(IPC_NOWAIT)};
constexpr Name itimers[] = {
    N(ITIMER_REAL), N(ITIMER_VIRTUAL), N(ITIMER_PROF)};
constexpr Name membarrier_commands[] = {
    N(MEMBARRIER_CMD_QUERY), N(MEMBARRIER_CMD_GLOBAL), N(MEMBARRIER_CMD_GLOBAL_EXPEDITED),
    N(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED), N(MEMBARRIER_CMD_PRIVATE_EXPEDITED),
    N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED), N(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE),
    N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE), N(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ),
    N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ)};
constexpr Name memfd_flags[] = {
    {1, "MFD_CLOEXEC"}, {2, "MFD_ALLOW_SEALING"}, {4, "MFD_HUGETLB"}, {8, "MFD_NOEXEC_SEAL"}, {16, "MFD_EXEC"}};
constexpr Name mempolicies[] = {
    {0, "MPOL_DEFAULT"}, {1, "MPOL_PREFERRED"}, {2, "MPOL_BIND"}, {3, "MPOL_INTERLEAVE"}, {4, "MPOL_LOCAL"},
    {5, "MPOL_PREFERRED_MANY"}};
constexpr Name message_flags[] = {
    N(MSG_OOB), N(MSG_PEEK), N(MSG_DONTROUTE), N(MSG_CTRUNC), N(MSG_TRUNC), N(MSG_DONTWAIT), N(MSG_EOR),
    N(MSG_WAITALL), N(MSG_CONFIRM), N(MSG_ERRQUEUE), N(MSG_NOSIGNAL), N(MSG_MORE), N(MSG_WAITFORONE),
    N(MSG_FASTOPEN), N(MSG_ZEROCOPY), N(MSG_CMSG_CLOEXEC)};
constexpr Name mlockall_flags[] = {
    N(MCL_CURRENT), N(MCL_FUTURE), N(MCL_ONFAULT)};
constexpr Name mmap_flags[] = {
    N(MAP_SHARED_VALIDATE), N(MAP_SHARED), N(MAP_PRIVATE), N(MAP_FIXED), N(MAP_ANONYMOUS), N(MAP_32BIT),
    N(MAP_NORESERVE), N(MAP_POPULATE), N(MAP_NONBLOCK), N(MAP_GROWSDOWN), N(MAP_DENYWRITE), N(MAP_EXECUTABLE),
    N(MAP_LOCKED), N(MAP_STACK), N(MAP_HUGETLB), N(MAP_SYNC), {0x100000, "MAP_FIXED_NOREPLACE"}};
constexpr Name mount_flags[] = {
    N(MS_RDONLY), N(MS_NOSUID), N(MS_NODEV), N(MS_NOEXEC), N(MS_SYNCHRONOUS), N(MS_REMOUNT), N(MS_MANDLOCK),
    N(MS_DIRSYNC), N(MS_NOATIME), N(MS_NODIRATIME), N(MS_BIND), N(MS_MOVE), N(MS_REC), N(MS_SILENT), N(MS_POSIXACL),
    N(MS_UNBINDABLE), N(MS_PRIVATE), N(MS_SLAVE), N(MS_SHARED), N(MS_RELATIME), N(MS_STRICTATIME), N(MS_LAZYTIME)};
constexpr Name mremap_flags[] = {
    N(MREMAP_MAYMOVE), N(MREMAP_FIXED), {4, "MREMAP_DONTUNMAP"}};
constexpr Name msync_flags[] = {
    N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC)};
constexpr Name prctl_options[] = {
    N(PR_SET_PDEATHSIG), N(PR_GET_PDEATHSIG), N(PR_GET_DUMPABLE), N(PR_SET_DUMPABLE), N(PR_GET_KEEPCAPS),
    N(PR_SET_KEEPCAPS), N(PR_SET_NAME), N(PR_GET_NAME), N(PR_GET_SECCOMP), N(PR_SET_SECCOMP), N(PR_CAPBSET_READ),
    N(PR_CAPBSET_DROP), N(PR_GET_TSC), N(PR_SET_TSC), N(PR_GET_SECUREBITS), N(PR_SET_SECUREBITS),
    N(PR_SET_TIMERSLACK), N(PR_GET_TIMERSLACK), N(PR_SET_MM), N(PR_SET_PTRACER), N(PR_SET_CHILD_SUBREAPER),
    N(PR_GET_CHILD_SUBREAPER), N(PR_SET_NO_NEW_PRIVS), N(PR_GET_NO_NEW_PRIVS), N(PR_GET_TID_ADDRESS),
    N(PR_SET_THP_DISABLE), N(PR_GET_THP_DISABLE), N(PR_CAP_AMBIENT), N(PR_GET_SPECULATION_CTRL),
    N(PR_SET_SPECULATION_CTRL), N(PR_SET_SYSCALL_USER_DISPATCH), {0x53564d41, "PR_SET_VMA"}};
constexpr Name priorities[] = {
    N(PRIO_PROCESS), N(PRIO_PGRP), N(PRIO_USER)};
constexpr Name protections[] = {
    N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), N(PROT_GROWSDOWN), N(PROT_GROWSUP)};
constexpr Name random_flags[] = {
    N(GRND_NONBLOCK), N(GRND_RANDOM), {4, "GRND_INSECURE"}};
constexpr Name rename_flags[] = {
    {1, "RENAME_NOREPLACE"}, {2, "RENAME_EXCHANGE"}, {4, "RENAME_WHITEOUT"}};
constexpr Name resources[] = {
    {0, "RLIMIT_CPU"}, {1, "RLIMIT_FSIZE"}, {2, "RLIMIT_DATA"}, {3, "RLIMIT_STACK"}, {4, "RLIMIT_CORE"},
    {5, "RLIMIT_RSS"}, {6, "RLIMIT_NPROC"}, {7, "RLIMIT_NOFILE"}, {8, "RLIMIT_MEMLOCK"}, {9, "RLIMIT_AS"},
    {10, "RLIMIT_LOCKS"}, {11, "RLIMIT_SIGPENDING"}, {12, "RLIMIT_MSGQUEUE"}, {13, "RLIMIT_NICE"},
    {14, "RLIMIT_RTPRIO"}, {15, "RLIMIT_RTTIME"}};
constexpr Name rusage_whos[] = {
    {0, "RUSAGE_SELF"}, {0xffffffff, "RUSAGE_CHILDREN"}, {1, "RUSAGE_THREAD"}};
constexpr Name rwf_flags[] = {
    {1, "RWF_HIPRI"}, {2, "RWF_DSYNC"}, {4, "RWF_SYNC"}, {8, "RWF_NOWAIT"}, {16, "RWF_APPEND"},
    {32, "RWF_NOAPPEND"}, {64, "RWF_ATOMIC"}, {128, "RWF_DONTCACHE"}};
constexpr Name schedulers[] = {
    N(SCHED_OTHER), N(SCHED_FIFO), N(SCHED_RR), N(SCHED_BATCH), N(SCHED_IDLE), {6, "SCHED_DEADLINE"}};
constexpr Name seccomp_operations[] = {
    N(SECCOMP_SET_MODE_STRICT), N(SECCOMP_SET_MODE_FILTER), N(SECCOMP_GET_ACTION_AVAIL), N(SECCOMP_GET_NOTIF_SIZES)};
constexpr Name shmat_flags[] = {
    N(SHM_RDONLY), N(SHM_RND), N(SHM_REMAP), N(SHM_EXEC)};
constexpr Name shutdown_hows[] = {
    N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR)};
constexpr Name sigmask_hows[] = {
    N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK)};
constexpr Name signalfd_flags[] = {
    N(SFD_CLOEXEC), N(SFD_NONBLOCK)};
constexpr Name socket_families[] = {
    N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_AX25), N(AF_IPX), N(AF_APPLETALK), N(AF_X25), N(AF_INET6),
    N(AF_NETLINK), N(AF_PACKET), N(AF_RDS), N(AF_CAN), N(AF_TIPC), N(AF_BLUETOOTH), N(AF_ALG), N(AF_VSOCK),
    N(AF_KCM), {43, "AF_SMC"}, {44, "AF_XDP"}};
constexpr Name socket_types[] = {
    N(SOCK_STREAM), N(SOCK_DGRAM), N(SOCK_RAW), N(SOCK_RDM), N(SOCK_SEQPACKET), N(SOCK_DCCP), N(SOCK_PACKET)};
constexpr Name socket_flags[] = {
    N(SOCK_CLOEXEC), N(SOCK_NONBLOCK)};
constexpr Name socket_protocols[] = {
    N(IPPROTO_IP), N(IPPROTO_ICMP), N(IPPROTO_TCP), N(IPPROTO_UDP), N(IPPROTO_IPV6), N(IPPROTO_SCTP),
    N(IPPROTO_ICMPV6), N(IPPROTO_UDPLITE), N(IPPROTO_RAW)};
constexpr Name socket_levels[] = {
    N(SOL_SOCKET), {0, "SOL_IP"}, {6, "SOL_TCP"}, {17, "SOL_UDP"}, {41, "SOL_IPV6"}, {263, "SOL_PACKET"},
    {270, "SOL_NETLINK"}, {282, "SOL_TLS"}};
constexpr Name socket_options[] = {
    N(SO_DEBUG), N(SO_REUSEADDR), N(SO_TYPE), N(SO_ERROR), N(SO_DONTROUTE), N(SO_BROADCAST), N(SO_SNDBUF),
    N(SO_RCVBUF), N(SO_KEEPALIVE), N(SO_OOBINLINE), N(SO_PRIORITY), N(SO_LINGER), N(SO_REUSEPORT), N(SO_PASSCRED),
    N(SO_PEERCRED), N(SO_RCVLOWAT), N(SO_SNDLOWAT), {20, "SO_RCVTIMEO_OLD"}, {21, "SO_SNDTIMEO_OLD"},
    N(SO_BINDTODEVICE), N(SO_ATTACH_FILTER), N(SO_DETACH_FILTER), N(SO_PEERNAME), {29, "SO_TIMESTAMP_OLD"},
    N(SO_ACCEPTCONN), N(SO_PEERSEC), N(SO_SNDBUFFORCE), N(SO_RCVBUFFORCE), N(SO_PASSSEC), N(SO_MARK),
    N(SO_PROTOCOL), N(SO_DOMAIN), N(SO_BUSY_POLL), N(SO_INCOMING_CPU), N(SO_COOKIE), N(SO_ZEROCOPY),
    {77, "SO_PEERPIDFD"}};
constexpr Name ip_options[] = {
    N(IP_TOS), N(IP_TTL), N(IP_HDRINCL), N(IP_OPTIONS), N(IP_RECVOPTS), N(IP_PKTINFO), N(IP_MTU_DISCOVER),
    N(IP_RECVERR), N(IP_RECVTTL), N(IP_RECVTOS), N(IP_MTU), N(IP_FREEBIND), N(IP_TRANSPARENT),
    N(IP_BIND_ADDRESS_NO_PORT), N(IP_MULTICAST_IF), N(IP_MULTICAST_TTL), N(IP_MULTICAST_LOOP), N(IP_ADD_MEMBERSHIP),
    N(IP_DROP_MEMBERSHIP)};
constexpr Name tcp_options[] = {
    N(TCP_NODELAY), N(TCP_MAXSEG), N(TCP_CORK), N(TCP_KEEPIDLE), N(TCP_KEEPINTVL), N(TCP_KEEPCNT), N(TCP_SYNCNT),
    N(TCP_LINGER2), N(TCP_DEFER_ACCEPT), N(TCP_WINDOW_CLAMP), N(TCP_INFO), N(TCP_QUICKACK), N(TCP_CONGESTION),
    N(TCP_USER_TIMEOUT), N(TCP_FASTOPEN)};
constexpr Name ipv6_options[] = {
    N(IPV6_V6ONLY), N(IPV6_UNICAST_HOPS), N(IPV6_MULTICAST_IF), N(IPV6_MULTICAST_HOPS), N(IPV6_MULTICAST_LOOP),
    N(IPV6_RECVERR), N(IPV6_RECVPKTINFO), N(IPV6_TCLASS), N(IPV6_RECVTCLASS), N(IPV6_MTU_DISCOVER), N(IPV6_MTU)};
constexpr Name splice_flags[] = {
    N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE), N(SPLICE_F_GIFT)};
constexpr Name statx_masks[] = {
    N(STATX_ALL), N(STATX_BASIC_STATS), N(STATX_TYPE), N(STATX_MODE), N(STATX_NLINK), N(STATX_UID), N(STATX_GID),
    N(STATX_ATIME), N(STATX_MTIME), N(STATX_CTIME), N(STATX_INO), N(STATX_SIZE), N(STATX_BLOCKS), N(STATX_BTIME),
    {0x1000, "STATX_MNT_ID"}, {0x2000, "STATX_DIOALIGN"}};
constexpr Name timer_flags[] = {
    N(TIMER_ABSTIME)};
constexpr Name timerfd_flags[] = {
    N(TFD_CLOEXEC), N(TFD_NONBLOCK)};
constexpr Name umount_flags[] = {
    N(MNT_FORCE), N(MNT_DETACH), N(MNT_EXPIRE), N(UMOUNT_NOFOLLOW)};
constexpr Name wait_options[] = {
    N(WNOHANG), N(WUNTRACED), N(WEXITED), N(WCONTINUED), N(WNOWAIT), {0x20000000, "__WNOTHREAD"},
    {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"}};
constexpr Name whences[] = {
    N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE)};
constexpr Name xattr_flags[] = {
    N(XATTR_CREATE), N(XATTR_REPLACE)};
constexpr Name poll_events[] = {
    N(POLLIN), N(POLLPRI), N(POLLOUT), N(POLLRDNORM), N(POLLRDBAND), N(POLLWRNORM), N(POLLWRBAND), N(POLLERR),
    N(POLLHUP), N(POLLNVAL), N(POLLRDHUP)};
constexpr Name epoll_events[] = {
    N(EPOLLIN), N(EPOLLPRI), N(EPOLLOUT), N(EPOLLRDNORM), N(EPOLLRDBAND), N(EPOLLWRNORM), N(EPOLLWRBAND),
    N(EPOLLMSG), N(EPOLLERR), N(EPOLLHUP), N(EPOLLRDHUP), N(EPOLLEXCLUSIVE), N(EPOLLWAKEUP), N(EPOLLONESHOT),
    N(EPOLLET)};
constexpr Name action_flags[] = {
    {0x04000000, "SA_RESTORER"}, N(SA_ONSTACK), N(SA_RESTART), {0x20000000, "SA_INTERRUPT"}, N(SA_NODEFER),
    N(SA_RESETHAND), N(SA_SIGINFO), N(SA_NOCLDSTOP), N(SA_NOCLDWAIT)};
constexpr Name file_types[] = {
    N(S_IFSOCK), N(S_IFLNK), N(S_IFREG), N(S_IFBLK), N(S_IFDIR), N(S_IFCHR), N(S_IFIFO)};
constexpr Name resolve_flags[] = {
    N(RESOLVE_NO_XDEV), N(RESOLVE_NO_MAGICLINKS), N(RESOLVE_NO_SYMLINKS), N(RESOLVE_BENEATH), N(RESOLVE_IN_ROOT),
    {0x20, "RESOLVE_CACHED"}};
constexpr Name lock_types[] = {
    N(F_RDLCK), N(F_WRLCK), N(F_UNLCK)};
constexpr Name signal_codes[] = {
    {0, "SI_USER"}, {0x80, "SI_KERNEL"}, {0xffffffff, "SI_QUEUE"}, {0xfffffffe, "SI_TIMER"},
    {0xfffffffd, "SI_MESGQ"}, {0xfffffffc, "SI_ASYNCIO"}, {0xfffffffa, "SI_TKILL"}};
constexpr Name child_codes[] = {
    N(CLD_EXITED), N(CLD_KILLED), N(CLD_DUMPED), N(CLD_TRAPPED), N(CLD_STOPPED), N(CLD_CONTINUED)};
constexpr Name filesystems[] = {
    {0xef53, "EXT2_SUPER_MAGIC"}, {0x01021994, "TMPFS_MAGIC"}, {0x9fa0, "PROC_SUPER_MAGIC"},
    {0x62656572, "SYSFS_MAGIC"}, {0x794c7630, "OVERLAYFS_SUPER_MAGIC"}, {0x58465342, "XFS_SUPER_MAGIC"},
    {0x9123683e, "BTRFS_SUPER_MAGIC"}, {0x6969, "NFS_SUPER_MAGIC"}, {0x1cd1, "DEVPTS_SUPER_MAGIC"},
    {0x65735546, "FUSE_SUPER_MAGIC"}, {0x64626720, "DEBUGFS_MAGIC"}, {0x63677270, "CGROUP2_SUPER_MAGIC"},
    {0x27e0eb, "CGROUP_SUPER_MAGIC"}, {0x50495045, "PIPEFS_MAGIC"}, {0x534f434b, "SOCKFS_MAGIC"},
    {0xf97cff8c, "SELINUX_MAGIC"}};
// clang-format on

} // namespace

NameTable names_of(ArgumentKind kind) {
    switch (kind) {
#define ONE(kind, list, unknown)                                                                                       \
    case ArgumentKind::kind##_:                                                                                        \
        return {NameStyle::one, list, unknown};
#define FLAGS(kind, list, unknown)                                                                                     \
    case ArgumentKind::kind##_:                                                                                        \
        return {NameStyle::flags, list, unknown};
        FLAGS(open_flags, open_flags, "O_???")
        FLAGS(access_mode, access_modes, "?_OK")
        ONE(advice, advices, "MADV_???")
        ONE(arch_prctl_code, arch_codes, "ARCH_???")
        FLAGS(at_flags, at_flags, "AT_???")
        ONE(clock, clocks, "CLOCK_???")
        FLAGS(clone_flags, clone_flags, "CLONE_???")
        FLAGS(close_range_flags, close_range_flags, "CLOSE_RANGE_???")
        FLAGS(epoll_flags, epoll_create_flags, "EPOLL_???")
        FLAGS(descriptor_flags, open_flags, "O_???")
        ONE(epoll_operation, epoll_operations, "EPOLL_CTL_???")
        FLAGS(eventfd_flags, eventfd_flags, "EFD_???")
        FLAGS(fallocate_mode, fallocate_modes, "FALLOC_FL_???")
        ONE(fcntl_command, fcntl_commands, "F_???")
        ONE(file_advice, file_advices, "POSIX_FADV_???")
        FLAGS(flock_operation, flock_operations, "LOCK_???")
        ONE(id_type, id_types, "P_???")
        FLAGS(inotify_flags, inotify_flags, "IN_???")
        FLAGS(inotify_mask, inotify_masks, "IN_???")
        ONE(ioctl_command, ioctl_commands, "")
        ONE(ipc_command, ipc_commands, "IPC_???")
        FLAGS(ipc_flags, ipc_flags, "")
        ONE(itimer, itimers, "ITIMER_???")
        ONE(membarrier_command, membarrier_commands, "MEMBARRIER_CMD_???")
        FLAGS(memfd_flags, memfd_flags, "MFD_???")
        ONE(mempolicy, mempolicies, "MPOL_???")
        FLAGS(message_flags, message_flags, "MSG_???")
        FLAGS(mlockall_flags, mlockall_flags, "MCL_???")
        FLAGS(mmap_flags, mmap_flags, "MAP_???")
        FLAGS(mount_flags, mount_flags, "MS_???")
        FLAGS(mremap_flags, mremap_flags, "MREMAP_???")
        FLAGS(msync_flags, msync_flags, "MS_???")
        ONE(prctl_option, prctl_options, "PR_???")
        ONE(priority_which, priorities, "PRIO_???")
        FLAGS(protection, protections, "PROT_???")
        FLAGS(random_flags, random_flags, "GRND_???")
        FLAGS(rename_flags, rename_flags, "RENAME_???")
        ONE(resource, resources, "RLIMIT_???")
        ONE(rusage_who, rusage_whos, "RUSAGE_???")
        FLAGS(rwf_flags, rwf_flags, "RWF_???")
        ONE(scheduler, schedulers, "SCHED_???")
        ONE(seccomp_operation, seccomp_operations, "SECCOMP_SET_MODE_???")
        FLAGS(shmat_flags, shmat_flags, "SHM_???")
        ONE(shutdown_how, shutdown_hows, "SHUT_???")
        ONE(sigmask_how, sigmask_hows, "SIG_???")
        FLAGS(signalfd_flags, signalfd_flags, "SFD_???")
        ONE(socket_family, socket_families, "AF_???")
        FLAGS(socket_flags, socket_flags, "SOCK_???")
        ONE(socket_level, socket_levels, "SOL_???")
        ONE(socket_protocol, socket_protocols, "IPPROTO_???")
        ONE(socket_type, socket_types, "SOCK_???")
        FLAGS(splice_flags, splice_flags, "SPLICE_F_???")
        FLAGS(statx_mask, statx_masks, "STATX_???")
        FLAGS(timer_flags, timer_flags, "TIMER_???")
        FLAGS(timerfd_flags, timerfd_flags, "TFD_???")
        FLAGS(umount_flags, umount_flags, "MNT_???")
        FLAGS(unlink_flags, unlink_flags, "AT_???")
        FLAGS(wait_options, wait_options, "W???")
        ONE(whence, whences, "SEEK_???")
        FLAGS(xattr_flags, xattr_flags, "XATTR_???")
#undef ONE
#undef FLAGS
    default:
        return {};
    }
}

std::span<const Name> poll_event_names() {
    return poll_events;
}
std::span<const Name> epoll_event_names() {
    return epoll_events;
}
std::span<const Name> signal_action_flag_names() {
    return action_flags;
}
std::span<const Name> file_type_names() {
    return file_types;
}
std::span<const Name> resolve_flag_names() {
    return resolve_flags;
}
std::span<const Name> lock_type_names() {
    return lock_types;
}
std::span<const Name> signal_code_names() {
    return signal_codes;
}
std::span<const Name> child_code_names() {
    return child_codes;
}
std::span<const Name> filesystem_names() {
    return filesystems;
}
std::span<const Name> socket_option_names(uint64_t level) {
    switch (level) {
    case SOL_SOCKET:
        return socket_options;
    case IPPROTO_IP:
        return ip_options;
    case IPPROTO_TCP:
        return tcp_options;
    case IPPROTO_IPV6:
        return ipv6_options;
    default:
        return {};
    }
}

} // namespace sc
