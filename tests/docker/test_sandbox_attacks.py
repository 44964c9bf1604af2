# ruff: noqa: E501 - programs in strings
"""A catalogue of short attacks, each of which prints HARM where it gets through.

After each the box must still answer, in step, with nothing left running, and without a restart.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sandbox_bench import processes, said

from sandbox.base import Box


@dataclass(frozen=True, slots=True)
class Attack:
    """A program, and what its output must hold to show that it was really tried."""

    name: str
    code: str
    language: str = "python"
    tried: str = "tried"
    seconds: float = 10.0


def _opens(name: str, *places: str, mode: str = "rb") -> Attack:
    code = f"""
for place in {places!r}:
    try:
        with open(place, {mode!r}) as file:
            print("HARM", place, file.read(1) if {mode!r} == "rb" else file.write(b"x"))
    except OSError: pass
print("tried")
"""
    return Attack(name, code)


def _calls(name: str, *statements: str) -> Attack:
    """Each statement must raise."""
    lines = "".join(
        f"try:\n    {statement}\n    print('HARM', {statement!r})\nexcept Exception: pass\n"
        for statement in statements
    )
    imports = "import ctypes, fcntl, mmap, os, resource, signal, socket, struct, subprocess\n"
    return Attack(name, f"{imports}{lines}print('tried')")


ATTACKS = (
    # Escape
    _opens("host-devices", "/dev/mem", "/dev/kmem", "/dev/port", "/dev/sda", "/dev/vda", "/dev/kvm"),
    _opens("kernel-secrets", "/proc/kcore", "/proc/1/mem", "/proc/1/environ", "/proc/1/maps"),
    _opens("kernel-switches", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
           "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", mode="wb"),
    _opens("cgroup-escape", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs",
           "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
           "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max", mode="wb"),
    _opens("engine-sockets", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd"),
    _calls("mounting", "os.open('/', os.O_RDONLY | os.O_TMPFILE | os.O_RDWR)",
           "subprocess.run(['mount', '-o', 'remount,rw', '/'], check=True, stderr=-3)",
           "subprocess.run(['umount', '/proc'], check=True, stderr=-3)", "os.chroot('/tmp')"),
    _calls("devices-made", "os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0))",
           "os.mknod('/workspace/mem', 0o20666, os.makedev(1, 1))"),
    _calls("handles", "os.close(ctypes.CDLL(None).open_by_handle_at(3, b'x' * 64, 0) if"
           " ctypes.CDLL(None).open_by_handle_at(3, b'x' * 64, 0) >= 0 else -1)"),
    Attack("set-uid-file", "cp /bin/sh /tmp/s; chmod 4755 /tmp/s; chmod 2755 /tmp/s; chmod u+s /tmp/s;"
           "[ \"$(/tmp/s -pc 'id -u')\" = 0 ] && echo HARM; echo tried", "bash"),
    Attack("set-uid-programs", "find / -xdev -perm -4000 -type f 2>/dev/null | while read p; do "
           "case \"$($p -c id 2>&1 </dev/null)\" in *uid=0*) echo HARM $p;; esac; done; echo tried",
           "bash", seconds=20),
    Attack("walk-out", "cd /; for i in $(seq 60); do cd ..; done; ls | grep -qx home-of-host && "
           "echo HARM; [ -e /proc/1/root/etc/shadow ] && cat /proc/1/root/etc/shadow && echo HARM;"
           "echo tried", "bash"),
    # Privilege
    _calls("capabilities", "os.chown('/workspace', 0, 0)", "os.setpriority(0, 0, -20)",
           "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
           "socket.sethostname('owned')", "os.setgroups([0])"),
    _calls("limits-raised", "resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))",
           "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, 1 << 40))",
           "resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))"),
    _calls("debugging", "1 / (1 + ctypes.CDLL(None).ptrace(16, 1, 0, 0))",
           "1 / (1 + ctypes.CDLL(None).ptrace(0, 0, 0, 0))",
           "1 / (1 + ctypes.CDLL(None).process_vm_readv(1, 0, 0, 0, 0, 0))"),
    # Network
    _calls("raw-packets", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
           "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "socket.if_nametoindex('eth0')"),
    _calls("datagrams", "socket.socket(2, 2).sendto(b'x', ('8.8.8.8', 53))",
           "socket.socket(10, 2).sendto(b'x', ('2001:4860:4860::8888', 53))",
           "socket.socket(2, 2).sendto(b'x', ('255.255.255.255', 9))",
           "socket.socket(2, 2).sendto(b'x', ('224.0.0.251', 5353))"),
    _calls("abstract-sockets", "socket.socket(1).connect('\\0/tmp/.X11-unix/X0')",
           "socket.socket(1).connect('\\0containerd-shim')",
           "socket.socket(1).connect('/run/dbus/system_bus_socket')"),
    Attack("metadata", "for h in 169.254.169.254 metadata.google.internal 100.100.100.200; do "
           "python3 -c \"import socket; socket.create_connection(('$h', 80), 1)\" 2>/dev/null && "
           "echo HARM $h; done; echo tried", "bash", seconds=20),
    # The supervisor
    Attack("signals-to-all", "trap '' TERM; kill -9 1; kill -TERM 1; kill -STOP 1; echo tried; "
           "kill -KILL -1", "bash"),
    _calls("descriptors", "os.write(3, b'x') and os.fstat(4)", "os.read(3, 1)",
           "[os.fstat(fd) for fd in range(3, 64)][0]"),
    Attack("forged-frames", "import os, json, struct\nh = json.dumps({'op': 'ready'}).encode()\n"
           "frame = struct.pack('>II', len(h), 0) + h\n"
           "print('tried', flush=True)\n[os.write(fd, frame) for fd in (1, 2) for _ in range(50)]"),
    Attack("supervisor-memory", "import os\nfor name in os.listdir('/proc/1/task'):\n"
           "  for leaf in ('mem', 'environ', 'maps', 'auxv', 'stack'):\n    try:\n"
           "      print('HARM', leaf, open(f'/proc/1/task/{name}/{leaf}', 'rb').read(1))\n"
           "    except OSError: pass\nprint('tried')"),
    Attack("block-file", "ls -la /run/sbx; echo x > /run/sbx/block.sh && echo HARM; rm -f "
           "/run/sbx/block.sh; [ -e /run/sbx/block.sh ] || echo HARM; echo tried", "bash"),
    # Memory that nobody has mapped, or that outlives its process
    _calls("hoarded-memory", "os.memfd_create('x')",
           *(f"1 / (1 + ctypes.CDLL(None).{call})" for call in (
               "shmget(0, 1 << 28, 0o1600)", "msgget(0, 0o1600)", "semget(0, 1, 0o1600)"))),
    _calls("hard-links", "os.link('/etc/passwd', '/workspace/p')", "os.link('/proc/1/exe', 'exe')",
           "os.link('/run/sbx/block.py', '/workspace/mine')"),
    _calls("typed-into-a-terminal", "fcntl.ioctl(0, 0x5412, b'x')", "fcntl.ioctl(1, 0x5412, b'x')",
           "os.open('/dev/tty', os.O_RDWR)", "os.open('/dev/console', os.O_RDWR)"),
    Attack("closed-descriptors", "import os\nprint('tried', flush=True)\nos.closerange(0, 65536)"),
    Attack("full-scratch", "import os\nprint('tried', flush=True)\nfor place in ('/tmp', '/dev/shm'):\n"
           "  try: open(place + '/fill', 'wb').write(bytes(700 << 20))\n  except OSError: pass"),
    Attack("links-that-change", "import os, threading, time\n"
           "until = time.time() + 1\nprint('tried', flush=True)\n"
           "if not os.fork():\n  os.setsid()\n"
           "while time.time() < until:\n"
           "  for act in (lambda: os.symlink('/etc/shadow', 'a'), lambda: os.unlink('a'),\n"
           "              lambda: open('a', 'w').close(), lambda: os.mkfifo('b'), lambda: os.unlink('b')):\n"
           "    try: act()\n    except OSError: pass"),
    Attack("zombies", "import os\nprint('tried', flush=True)\nfor _ in range(5000):\n  try:\n"
           "    if not os.fork(): os._exit(0)\n  except OSError: break"),
    # Leftovers
    Attack("double-fork", "import os, time\nprint('tried', flush=True)\nif not os.fork():\n"
           "  os.setsid()\n  if not os.fork():\n    time.sleep(1000)\n  os._exit(0)"),
    Attack("ignores-everything", "import os, signal, time\nprint('tried', flush=True)\n"
           "for _ in range(20):\n  if not os.fork():\n    os.setsid()\n"
           "    [signal.signal(n, signal.SIG_IGN) for n in range(1, 32) if n not in (9, 19)]\n"
           "    time.sleep(1000)"),
    Attack("stopped-children", "sleep 1000 & kill -STOP $!; echo tried", "bash"),
    Attack("pipe-kept-open", "(exec setsid sh -c 'while :; do echo late; sleep 0.01; done') & "
           "echo tried", "bash"),
    # Output and names
    Attack("endless-line", "import sys\nprint('tried')\nfor _ in range(300): sys.stdout.write('x' * 1000000)"),
    Attack("title-and-bell", "print('tried \\x1b]0;owned\\x07\\x1bP1$r\\x1b\\\\\\x9b31m\\x08\\x00')"),
    Attack("names", "import os\nfor name in (b'-rf', b'$(id)', b'a\\nb', b'\\xff', b'\\xe2\\x80\\xaegpj',"
           " b'..x', b'x' * 255, b'con', b' '):\n  open(name, 'w').close()\nprint('tried')"),
    Attack("many-files", "import os\nfor n in range(70000):\n  try: open(f'f{n}', 'w').close()\n"
           "  except OSError: break\nprint('tried', n)", seconds=30),
    Attack("deep-folders", "import os\nfor n in range(500):\n  os.mkdir('d'); os.chdir('d')\nprint('tried')"),
    # Replaced interpreters and modules
    Attack("own-interpreter", "mkdir -p bin; printf '#!/bin/sh\\necho HARM' > bin/python3; chmod +x "
           "bin/python3; export PATH=$PWD/bin:$PATH; echo 'alias python3=HARM' > .bashrc; "
           "cp .bashrc .profile; cp .bashrc .bash_profile; echo 'echo HARM' > .bashrc; echo tried",
           "bash"),
    Attack("own-start-files", "import os\nos.makedirs('.local/lib/python3.11/site-packages', exist_ok=True)\n"
           "for n in ('usercustomize.py', 'sitecustomize.py'):\n"
           "  open('.local/lib/python3.11/site-packages/' + n, 'w').write('print(\"HARM\")')\n"
           "open('pyvenv.cfg', 'w').write('home = /tmp'); print('tried')"),
    _calls("system-programs", "open('/usr/bin/python3', 'ab')", "os.unlink('/usr/bin/bash')",
           "os.rename('/usr/lib', '/usr/lob')", "open('/usr/lib/python3.11/os.py', 'ab')",
           "open('/etc/ld.so.preload', 'w')"),
)  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_attack_is_tried_and_gets_nowhere(emptied: Box, attack: Attack) -> None:
    box = emptied
    result = await box.run(attack.code, attack.language, timeout_s=attack.seconds)
    assert attack.tried in result.output, result
    assert "HARM" not in result.output, result.output
    assert not [char for char in result.output if char < " " and char not in "\n\t"]
    assert len(result.output) < 70_000
    assert await processes(box) == []
    assert "in step 42" in await said(box, "print('in step', 6 * 7)")
    assert box.restarts == 0
