"""The system call filter of a block: a deny list on top of whatever the launcher already refuses.

It is needed under bubblewrap, where no engine brings a profile, and narrows Docker's default.
Knows the numbers of x86_64 and aarch64; on other machines `program` is None and the supervisor
reports that the filter does not hold. Every other architecture (and x32) is refused by the filter.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

ALLOW = 0x7FFF0000
REFUSE = 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16
X32_BIT = 0x40000000
NAMESPACE_FLAGS = 0x7E020000
SOCKET_FAMILIES = (1, 2, 10, 16)
"""unix, inet, inet6, netlink; no packet, vsock, bluetooth, alg, ..."""
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

# From 424 on the numbers are the same everywhere: io_uring, the new mount calls, pidfd_getfd,
# mount_setattr, quotactl_fd, memfd_secret.
_NEWER = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443, 447)


@dataclass(frozen=True)
class _Machine:
    arch: int
    clone: int
    socket: int
    prlimit: int
    denied: tuple[int, ...]
    hoards: tuple[int, ...]
    """memfd_create, shmget, semget, msgget: memory that no process has mapped, and that outlives
    the process (System V) or that nobody counts where there is no cgroup (memfd)."""


# Denied: ptrace, syslog, ustat, sysfs, pivot_root, sysctl, adjtimex, chroot, acct, settimeofday,
# mount, umount, swap, reboot, host and domain name, port access, modules, quotactl, nfsservctl,
# lookup_dcookie, clock_settime, kexec, keyring, migrate/move_pages, unshare, perf, fanotify, file
# handles, clock_adjtime, setns, process_vm, kcmp, bpf, userfaultfd.
_X86_64 = _Machine(
    arch=0xC000003E,
    clone=56,
    socket=41,
    prlimit=302,
    denied=(
        *(101, 103, 136, 139, 155, 156, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171),
        *(172, 173, 174, 175, 176, 177, 178, 179, 180, 212, 227, 246, 248, 249, 250, 256, 272),
        *(279, 298, 300, 303, 304, 305, 308, 310, 311, 312, 313, 320, 321, 323),
    ),
    hoards=(319, 29, 64, 68),
)
_AARCH64 = _Machine(
    arch=0xC00000B7,
    clone=220,
    socket=198,
    prlimit=261,
    denied=(
        *(117, 116, 41, 171, 51, 89, 170, 40, 39, 224, 225, 142, 161, 162, 105, 106, 60, 42, 18),
        *(112, 104, 217, 218, 219, 238, 239, 97, 241, 262, 264, 265, 266, 268, 270, 271, 272),
        *(273, 294, 280, 282),
    ),
    hoards=(279, 194, 190, 186),
)
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}
_CLONE3 = 435


def program(*, sockets: bool = True, hoards: bool = True) -> bytes | None:
    """The filter for this machine as BPF, or None where its numbers are not known. `hoards` lets
    a program keep memory that nobody has mapped."""
    machine = _MACHINES.get(platform.machine())
    families = SOCKET_FAMILIES if sockets else ()
    if machine is None:
        return None
    return _assemble(machine, families, () if hoards else machine.hoards)


def install(filter_program: bytes) -> None:
    """Give up privileges for good and load the filter into the calling process."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(filter_program, len(filter_program))
    count = len(filter_program) // 8
    header = struct.pack("HxxxxxxP", count, ctypes.addressof(code))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the system call filter could not be loaded")


def _assemble(machine: _Machine, families: tuple[int, ...], more: tuple[int, ...]) -> bytes:
    refuse, unknown = REFUSE | errno.EPERM, REFUSE | errno.ENOSYS
    lines = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, machine.arch),
        (RETURN, 0, 0, unknown),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, unknown),
        # clone3 hides its flags behind a pointer; without it libc falls back to clone.
        (EQUAL, 0, 1, _CLONE3),
        (RETURN, 0, 0, unknown),
    ]
    for number in (*machine.denied, *_NEWER, *more):
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, refuse)]
    lines += [
        (EQUAL, 0, 4, machine.clone),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (ANY_BIT, 0, 1, NAMESPACE_FLAGS),
        (RETURN, 0, 0, refuse),
        (RETURN, 0, 0, ALLOW),
        # A process may set its own limits, never those of another (the supervisor's).
        (EQUAL, 0, 4, machine.prlimit),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (EQUAL, 1, 0, 0),
        (RETURN, 0, 0, refuse),
        (RETURN, 0, 0, ALLOW),
        (EQUAL, 1, 0, machine.socket),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
    ]
    for family in families:
        lines += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT))
    return b"".join(struct.pack("HBBI", *line) for line in lines)
