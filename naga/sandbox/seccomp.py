"""Which system calls a program may make, as a BPF program for the kernel.

A list of what is allowed; the rest does not exist (ENOSYS), so calls that later kernels add are out
too. Other instruction sets of the processor (x32, 32 bit) end the process. Without sockets but for
a connected pair, namespaces, ptrace, io_uring, userfaultfd, keys, memfd, queues, and the shared
memory of System V. Assumes libseccomp on the machine. Installs nothing: the guest does.
"""

import errno
import socket
import tempfile
from functools import cache
from types import ModuleType

from naga.config.base import ConfigError

FILES = """
access chdir chmod close close_range copy_file_range creat dup dup2 dup3 execve execveat faccessat
faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fcntl fdatasync fgetxattr flock
fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr lgetxattr link linkat
listxattr llistxattr lseek lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir
sendfile stat statfs statx symlink symlinkat sync_file_range truncate umask unlink unlinkat utime
utimensat utimes write writev inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
"""
MEMORY = """
brk madvise membarrier mincore mlock mlock2 mmap mprotect mremap msync munlock munmap pkey_alloc
pkey_free pkey_mprotect get_mempolicy
"""
PROCESSES = """
alarm arch_prctl capget exit exit_group fork futex futex_waitv get_robust_list get_thread_area
getcpu getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid getpriority
getresgid getresuid getrlimit getrusage getsid gettid getuid pause pidfd_open prctl prlimit64
restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend
rt_sigtimedwait sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
set_robust_list set_thread_area set_tid_address setitimer setpgid setpriority setrlimit setsid
sigaltstack timer_create timer_delete timer_getoverrun timer_gettime timer_settime times
uname vfork wait4 waitid
"""
WAITING = """
clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait
epoll_pwait2 epoll_wait eventfd eventfd2 getrandom gettimeofday nanosleep pipe pipe2 poll ppoll
pselect6 select signalfd signalfd4 splice sysinfo tee time timerfd_create timerfd_gettime
timerfd_settime
"""
PAIRS = "getpeername getsockname getsockopt recvfrom recvmmsg recvmsg sendmmsg sendmsg shutdown"
SIGNALS = ("kill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tgkill", "tkill")
ALLOWED = " ".join((FILES, MEMORY, PROCESSES, WAITING, PAIRS)).split()

NAMESPACES = 0x7E020000
"""Flags of clone that make a new namespace; clone3, which hides its flags in memory, is out."""
TERMINAL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)
"""Of ioctl: is it a terminal, how large, bytes waiting, blocking or not, close on exec or not."""
PAIR_FLAGS = 0o2004000
WHOLE = 0xFFFFFFFF
"""The half of an argument that the kernel looks at where it is an int."""


@cache
def filter_program(*, signals: bool) -> bytes:
    """The program as the kernel takes it: an array of `struct sock_filter`.

    Without `signals` no process can send one, for where nothing else keeps them in the sandbox.
    """
    library = _library()
    filters = library.SyscallFilter(library.ERRNO(errno.ENOSYS))
    for name in ALLOWED if not signals else (*ALLOWED, *SIGNALS):
        # Not every processor has every call.
        if library.resolve_syscall(library.system_arch(), name) >= 0:
            filters.add_rule(library.ALLOW, name)

    masked = library.MASKED_EQ
    filters.add_rule(library.ALLOW, "clone", library.Arg(0, masked, NAMESPACES, 0))
    for request in TERMINAL_REQUESTS:
        filters.add_rule(library.ALLOW, "ioctl", library.Arg(1, masked, WHOLE, request))
    # Datagram sockets can send to any path without connecting, so pairs are streams only.
    unix = library.Arg(0, masked, WHOLE, socket.AF_UNIX)
    stream = library.Arg(1, masked, WHOLE & ~PAIR_FLAGS, socket.SOCK_STREAM)
    filters.add_rule(library.ALLOW, "socketpair", unix, stream)
    filters.add_rule(library.ALLOW, "sendto", library.Arg(4, library.EQ, 0))
    with tempfile.TemporaryFile() as file:
        filters.export_bpf(file)
        file.seek(0)
        return file.read()


def _library() -> ModuleType:
    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:  # RuntimeError: the package without the library
        raise ConfigError(
            "sandbox: system calls are filtered by libseccomp, which is missing; install it "
            f"(Debian, Ubuntu: apt install libseccomp2; then pip install pyseccomp): {error}"
        ) from None
    return pyseccomp
