"""Attacks on the machine: each is tried in every tier, and must be refused by the kernel."""

import os
import platform
import socket
import threading
from pathlib import Path

import pytest
from sandbox.conftest import SMALL, needs

from naga.sandbox import Limits, Program, Sandbox

CALLS = """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = c.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
"""

# Each does harm, or fails with an OSError; "escaped" is printed only if it did not fail.
FORBIDDEN = {
    "read the passwords": "open('/etc/shadow').read()",
    "read the users": "open('/etc/passwd').read()",
    "read home": "os.listdir('/root')",
    "list home folders": "os.listdir('/home')",
    "list the root's etc": "open('/etc/hostname').read()",
    "through the keeper's root": "open(f'/proc/{os.getppid()}/root' + '/etc/shadow').read()",
    "through process 1's root": "os.listdir('/proc/1/root/etc/ssl')",
    "the keeper's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "the keeper's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "the keeper's memory to write": "open(f'/proc/{os.getppid()}/mem', 'r+b')",
    "the keeper's descriptors": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "the keeper's results": "os.open(f'/proc/{os.getppid()}/fd/1', os.O_WRONLY)",
    "the kernel's memory": "open('/dev/mem', 'rb')",
    "a disk": "open('/dev/vda', 'rb')",
    "the kernel's log": "open('/dev/kmsg').read(1)",
    "a terminal": "open('/dev/tty')",
    "a virtual machine": "open('/dev/kvm', 'rb')",
    "fuse": "open('/dev/fuse', 'rb')",
    "change the system": "open('/usr/bin/evil', 'w')",
    "change python": "open(os.__file__, 'a')",
    "write to the root": "open('/evil', 'w')",
    "write to dev": "open('/dev/evil', 'w')",
    "write a kernel setting": "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
    "the sysrq key": "os.open('/proc/sysrq-trigger', os.O_WRONLY)",
    "lower its own oom score": (
        "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000')"
    ),
    "control groups": "os.mkdir('/sys/fs/cgroup/memory/evil')",
    "a device node": "os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0))",
    "another user": "os.setuid(0)",
    "another group": "os.setgroups([0])",
    "a hard link to the passwords": "os.link('/etc/shadow', '/tmp/shadow')",
    "a root of its own": "os.chroot('/tmp')",
    "the host's name": "import socket; socket.sethostname('evil')",
    "the network": "import socket; socket.create_connection(('1.1.1.1', 53), 1)",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "an IPv6 socket": "import socket; socket.socket(socket.AF_INET6)",
    "a raw socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a packet socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "a datagram pair": "import socket; socket.socketpair(type=socket.SOCK_DGRAM)",
    "raise a limit": (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))"
    ),
    "priority": "os.nice(-5)",
    "the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
}

NUMBERS = {
    "ptrace": (101, 0, 0, 0, 0),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "pidfd_getfd": (438, 0, 0, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "process_madvise": (440, 0, 0, 0, 0, 0),
    "io_uring_setup": (425, 8, 0),
    "userfaultfd": (323, 1),
    "keyctl": (250, 0, -3, 1),
    "add_key": (248, b"user", b"a", b"b", 1, -3),
    "request_key": (249, b"user", b"a", 0, -3),
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "memfd_create": (319, b"a", 0),
    "memfd_secret": (447, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount2": (166, b"/tmp", 2),
    "fsopen": (430, b"tmpfs", 0),
    "open_tree": (428, -100, b"/", 1),
    "move_mount": (429, -100, b"/", -100, b"/tmp", 0),
    "mount_setattr": (442, -100, b"/", 0, 0, 0),
    "pivot_root": (155, b"/tmp", b"/tmp"),
    "unshare": (272, 0x10000000),
    "setns": (308, 0, 0),
    "clone into namespaces": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": (435, 0, 88),
    "open_by_handle_at": (304, -100, 0, 0),
    "name_to_handle_at": (303, -100, b"/", 0, 0, 0),
    "init_module": (175, 0, 0, b""),
    "kexec_load": (246, 0, 0, 0, 0),
    "reboot": (169, 0xFEE1DEAD, 672274793, 0, 0),
    "swapon": (167, b"/tmp/x", 0),
    "acct": (163, b"/tmp/x"),
    "settimeofday": (164, 0, 0),
    "adjtimex": (159, 0),
    "shmget": (29, 0, 4096, 0o1666),
    "msgget": (68, 0, 0o1666),
    "semget": (64, 0, 1, 0o1666),
    "mq_open": (240, b"evil", 0o102, 0o666, 0),
    "iopl": (172, 3),
    "modify_ldt": (154, 0, 0, 0),
    "personality": (135, 0x0040000),
    "syslog": (103, 3, 0, 0),
    "quotactl": (179, 0, 0, 0, 0),
    "fanotify_init": (300, 0, 0),
    "vmsplice": (278, 1, 0, 0, 0),
    "uselib": (134, b"/tmp/x"),
    "seccomp listener": (317, 1, 8, 0),
    "mknodat": (259, -100, b"/tmp/x", 0o60666, 2049),
    "a socket": (41, 1, 1, 0),
    "connect": (42, 0, 0, 0),
    "a call that is none": (1000, 0, 0, 0),
}


# By the kernel, and not for a mistake in the attack.
REFUSALS = ("OSError", "PermissionError", "FileNotFoundError", "ValueError: not allowed")


def refused(sandbox: Sandbox, attack: str) -> None:
    source = f"{CALLS}\n{attack}\nprint('escaped')"
    result = sandbox.run(Program(source=source))
    assert "escaped" not in result.stdout, result
    assert result.status == "error", result
    assert result.stderr.splitlines()[-1].startswith(REFUSALS), result.stderr


@pytest.fixture(scope="module")
def attempts(sandbox: Sandbox) -> dict[str, str]:
    """How each of them fails, or that it does not; one program tries them all."""
    lines = [CALLS, f"for name, attack in {FORBIDDEN!r}.items():"]
    lines += ["    try: exec(attack)"]
    lines += ["    except Exception as error: print(f'{name}: {type(error).__name__}: {error}')"]
    lines += ["    else: print(f'{name}: escaped')"]
    result = sandbox.run(Program(source="\n".join(lines)))
    assert result.status == "ok", result
    return dict(line.split(": ", 1) for line in result.stdout.splitlines())


@pytest.mark.parametrize("attack", FORBIDDEN)
def test_it_cannot_reach(attempts: dict[str, str], attack: str) -> None:
    assert attempts[attack].startswith(REFUSALS), attempts[attack]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
def test_calls_that_no_program_needs_do_not_exist(sandbox: Sandbox) -> None:
    """All in one program: each must fail, and the program live on."""
    lines = [f"calls = {NUMBERS!r}", CALLS]
    lines += ["for name, arguments in calls.items():"]
    lines += ["    result = c.syscall(*arguments)"]
    lines += ["    if not result and name.startswith('clone'): os._exit(0)"]
    lines += ["    if result >= 0 or ctypes.get_errno() != 38: print(name, ctypes.get_errno())"]
    result = sandbox.run(Program(source="\n".join(lines)))
    assert (result.status, result.stdout) == ("ok", ""), result


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit calls are those of x86")
def test_calls_of_another_instruction_set_end_the_program(sandbox: Sandbox) -> None:
    needs("c")
    source = r"""
    #include <stdio.h>
    int main(void) {
        int result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20));
        printf("escaped %d\n", result);
    }"""
    result = sandbox.run(Program(source=source, language="c"))
    assert (result.status, result.exit, result.stdout) == ("error", -31, ""), result


def test_the_launchers_environment_is_nowhere(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under /proc it would be, in spite of bubblewrap's --clearenv."""
    monkeypatch.setenv("NAGA_SECRET", "hunter2")
    source = """
import os
seen = [repr(dict(os.environ))]
for name in [*range(1, 60), 'self', 'thread-self']:
    for file in ('environ', 'cmdline'):
        try:
            seen.append(open(f'/proc/{name}/{file}').read())
        except OSError:
            pass
print('hunter2' in ''.join(seen), 'NAGA' in ''.join(seen))
"""
    with Sandbox(tier=sandbox.tier, limits=SMALL, workers=1) as fresh:
        result = fresh.run(Program(source=source))
    assert result.stdout == "False False\n", result


def test_its_environment_is_four_words(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(source="import os; print(sorted(os.environ))"))
    known = {"HOME", "LANG", "PATH", "PYTHONHASHSEED", "TMPDIR", "PWD", "LC_CTYPE"}
    assert set(eval(result.stdout)) <= known, result


def test_it_has_no_descriptors_but_three(sandbox: Sandbox) -> None:
    source = """
import os
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
print([number for number in range(4096) if is_open(number)])
"""
    assert sandbox.run(Program(source=source)).stdout == "[0, 1, 2]\n"


def test_a_command_has_no_descriptors_but_three(sandbox: Sandbox) -> None:
    source = "for n in 0 1 2 3 4 5 6 7 8 9; do { : >&$n; } 2>/dev/null && echo $n; done; true"
    result = sandbox.run(Program(source=source, language="bash"))
    assert set(result.stdout.split()) <= {"0", "1", "2"}, result
    assert result.status == "ok"


def test_it_runs_as_nobody_without_rights(sandbox: Sandbox) -> None:
    source = """
import os, ctypes
c = ctypes.CDLL(None)
print(os.getuid() != 0 or 'bubble', c.prctl(39, 0, 0, 0, 0), os.getresuid().count(os.getuid()))
caps = (ctypes.c_uint32 * 6)()
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
print(c.capget(header, caps), list(caps[:2]))
"""
    lines = sandbox.run(Program(source=source)).stdout.splitlines()
    assert lines == ["True 1 3", "0 [0, 0]"]


def test_setuid_programs_give_nothing(sandbox: Sandbox) -> None:
    source = """
import os, subprocess
for tool in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount', '/usr/bin/newgrp'):
    if os.access(tool, os.X_OK):
        try:
            done = subprocess.run([tool, '-c', 'id'], capture_output=True, stdin=subprocess.DEVNULL)
            print('uid=0' in done.stdout.decode(), done.returncode == 0)
        except OSError:
            pass
"""
    result = sandbox.run(Program(source=source))
    assert "True" not in result.stdout, result
    assert result.status == "ok", result


def test_it_signals_nobody_outside(sandbox: Sandbox) -> None:
    """With process 1, its parent, everyone and this very process as targets."""
    source = f"""
import os, signal
for target in (1, os.getppid(), {os.getpid()}, -{os.getpgrp()}):
    try:
        os.kill(target, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        continue
print('here')
"""
    result = sandbox.run(Program(source=source))
    assert (result.status, result.stdout) == ("ok", "here\n"), result


def test_a_signal_to_everyone_reaches_nobody_else(sandbox: Sandbox) -> None:
    source = "import os, signal\ntry: os.kill(-1, signal.SIGTERM)\nexcept OSError: pass\nprint(1)"
    assert sandbox.run(Program(source=source)).stdout == "1\n"
    assert sandbox.run(Program(source="print(2)")).stdout == "2\n"


def test_the_keeper_cannot_be_stopped(sandbox: Sandbox) -> None:
    """A stopped one would never say how the program ended."""
    source = """
import os, signal
for name in ('SIGSTOP', 'SIGTSTP', 'SIGKILL', 'SIGTERM', 'SIGINT'):
    try:
        os.kill(os.getppid(), getattr(signal, name))
    except OSError:
        pass
print('here')
"""
    assert sandbox.run(Program(source=source)).stdout == "here\n"


def test_other_processes_of_the_machine_are_not_seen(bubble: Sandbox) -> None:
    source = "import os; print([n for n in os.listdir('/proc') if n.isdigit()])"
    seen = eval(bubble.run(Program(source=source)).stdout)
    assert 1 <= len(seen) <= 3


def test_folders_of_the_machine_are_not_there(bubble: Sandbox) -> None:
    result = bubble.run(Program(source="import os; print(sorted(os.listdir('/')))"))
    allowed = {"bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "tmp", "usr"}
    prefix = {Path(bubble.python).parts[1]}
    assert set(eval(result.stdout)) <= allowed | prefix


def test_no_abstract_socket_of_the_machine_is_reached(sandbox: Sandbox) -> None:
    """Not even from C, past everything that Python checks."""
    name = f"\0naga-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen()
        refused(
            sandbox,
            "import socket; s = socket.socket(socket.AF_UNIX); "
            f"s.connect({name!r}); s.send(b'hello')",
        )


def test_a_servers_port_on_this_machine_is_not_reached(sandbox: Sandbox) -> None:
    reached = threading.Event()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        refused(sandbox, f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)")
    assert not reached.is_set()


def test_symlinks_lead_nowhere(bubble: Sandbox, tmp_path: Path) -> None:
    """Nothing of a sandbox's files is ever opened from outside; inside they dangle."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o644)
    source = f"""
import os
os.symlink({str(secret)!r}, '/tmp/out.txt')
os.symlink('/etc/shadow', '/tmp/main')
print(open('/tmp/out.txt').read())
"""
    result = bubble.run(Program(source=source))
    assert result.status == "error" and "hunter2" not in result.stdout
    assert secret.read_text() == "hunter2"


def test_programs_leave_nothing_for_each_other(sandbox: Sandbox) -> None:
    """Each has a sandbox of its own, whatever it writes where it may."""
    write = """
import os
for folder in ('/tmp', '/dev/shm', os.getcwd(), '/var/tmp'):
    try:
        open(folder + '/left', 'w').write('x')
    except OSError:
        pass
"""
    read = "import os; print([os.path.exists(f + '/left') for f in ('/tmp', '/dev/shm', '.')])"
    assert sandbox.run(Program(source=write)).status == "ok"
    assert sandbox.run(Program(source=read)).stdout == "[False, False, False]\n"


def test_a_program_cannot_write_without_a_scratch_of_its_own() -> None:
    from sandbox.conftest import opened

    with opened("landlock") as sandbox:
        for path in ("/tmp/evil", "/dev/shm/evil", "/var/tmp/evil", "./evil"):
            refused(sandbox, f"open({path!r}, 'w')")


def test_no_core_is_written_or_handed_to_the_kernels_program(sandbox: Sandbox) -> None:
    source = """
import os, resource, signal
print(resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""
    result = sandbox.run(Program(source=source))
    assert result.stdout == "(1, 1)\n" and result.status == "error"


def test_a_compiler_reads_no_more_than_the_program(sandbox: Sandbox) -> None:
    needs("c")
    source = '#include "/etc/passwd"\nint main(){}'
    result = sandbox.run(Program(source=source, language="c"))
    assert result.status == "compile"
    assert "root" not in result.stderr


def test_a_compiler_that_never_ends_is_ended(strongest: Sandbox) -> None:
    needs("c")
    limits = Limits(compile_s=0.5)
    source = '#include "/dev/zero"\nint main(){}'
    result = strongest.run(Program(source=source, language="c"), limits=limits)
    assert result.status == "compile"
