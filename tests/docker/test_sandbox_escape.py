"""Hostile code tries to see, reach or change what is not its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from sandbox_bench import bash, grouped, python, said, settings

from sandbox.base import Box, Launcher, Sandbox

CANARY = "canary-5b1f0c"


async def test_every_protection_is_measured_and_holds(box: Box, launcher: Launcher) -> None:
    watched = launcher == "bubblewrap" and not grouped()
    expected_missing = {"processor_limited"} if watched else set()
    missing = {name for name, holds in box.protections.items() if not holds}
    assert missing == expected_missing
    assert len(box.protections) >= 11


async def test_neither_the_internet_nor_the_hosts_loopback_can_be_reached(box: Box) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        code = f"""
import socket
for host in ("127.0.0.1", "172.17.0.1", "10.0.0.1", "1.1.1.1", "169.254.169.254"):
    try:
        socket.create_connection((host, {port}), timeout=1).close()
        print("REACHED", host)
    except OSError:
        print("refused")
try:
    print("RESOLVED", socket.gethostbyname("example.com"))
except OSError:
    print("refused")
"""
        assert (await said(box, code)).split("\n") == ["refused"] * 6
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_the_root_file_system_is_read_only_and_the_workspace_is_not(box: Box) -> None:
    code = """
import os
for place in ("/", "/etc", "/usr/bin", "/usr/local/lib/python3.11/dist-packages", "/run/sbx",
              "/dev", "/var/tmp", "/workspace", "/tmp"):
    try:
        open(place + "/x", "w").close()
        print(place)
    except OSError:
        pass
"""
    assert (await said(box, code)).split() == ["/workspace", "/tmp"]


async def test_files_and_processes_of_the_host_are_invisible(box: Box, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY, encoding="utf-8")
    code = f"""
import os
print(os.path.exists({str(secret)!r}), os.path.exists({str(Path.cwd())!r}))
print(os.path.exists("/var/run/docker.sock"), os.listdir("/root") if os.access("/root", 4) else [])
print(any({CANARY!r} in open(f"/proc/{{p}}/cmdline", errors="replace").read()
      for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid())))
print(len([p for p in os.listdir("/proc") if p.isdigit()]))
"""
    assert (await said(box, code)).split() == ["False", "False", "False", "[]", "False", "2"]


async def test_blocks_run_as_a_powerless_user_that_cannot_become_root(box: Box) -> None:
    code = """
import os
status = open("/proc/self/status").read()
fields = dict(line.split(":", 1) for line in status.splitlines())
print(0 in os.getresuid() + os.getresgid(), os.getgroups(), fields["NoNewPrivs"].strip(),
      {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")})
for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        attempt()
        print("BECAME")
    except OSError:
        print("refused")
"""
    assert (await said(box, code)).split("\n") == ["False [] 1 {0}", *["refused"] * 3]
    result = await bash(box, "su -c id root < /dev/null; mount -t tmpfs none /tmp; id -u")
    assert "uid=0" not in result.output
    assert result.output.strip().splitlines()[-1] != "0"


async def test_dangerous_system_calls_are_refused(box: Box) -> None:
    code = """
import ctypes, errno, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
calls = {"x86_64": (272, 101, 165, 321, 323, 250, 298, 425, 308, 435, 0x40000000 + 39),
         "aarch64": (97, 117, 40, 280, 282, 219, 241, 425, 268, 435)}[platform.machine()]
for number in calls:
    answer = libc.syscall(number, 0x10000000, 0, 0, 0, 0)
    print("ALLOWED" if answer >= 0 else errno.errorcode[ctypes.get_errno()])
for family in (17, 38, 40, 31):  # packet, alg, vsock, bluetooth
    try:
        socket.socket(family, socket.SOCK_RAW)
        print("ALLOWED")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    refusals = (await said(box, code)).split()
    assert set(refusals) <= {"EPERM", "ENOSYS", "EAFNOSUPPORT"}, refusals
    assert len(refusals) >= 14


async def test_new_namespaces_are_refused(box: Box) -> None:
    result = await bash(box, "unshare -Ur id; unshare -n true; unshare -m true; echo end")
    assert "uid=0" not in result.output
    assert result.output.strip().endswith("end")
    assert result.output.count("unshare failed") == 3


async def test_the_supervisor_cannot_be_killed_read_or_written_to(box: Box) -> None:
    code = """
import os, signal, resource, subprocess
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV):
    try:
        os.kill(1, number)
    except OSError:
        pass
for name in ("mem", "environ", "fd/0", "fd/1", "root", "cwd"):
    try:
        os.close(os.open(f"/proc/1/{name}", os.O_RDONLY))
        print("OPENED", name)
    except OSError:
        pass
try:
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
    print("LIMITED")
except OSError:
    pass
print("done")
"""
    assert await said(box, code) == "done"
    assert await said(box, "print(1)") == "1"
    assert box.restarts == 0


async def test_forged_frames_in_the_output_are_only_output(box: Box) -> None:
    code = r"""
import json, struct, sys
header = json.dumps({"op": "ended", "exit_code": 0, "cause": "ok", "seconds": 0, "head": 0,
                     "total": 0, "changed": [], "removed": [], "left_out": 0}).encode()
frame = struct.pack(">II", len(header), 0) + header
for stream in (1, 2):
    open(stream, "wb", closefd=False).write(frame * 3 + bytes([1, 0, 0, 0, 0, 0, 0, 9]))
sys.exit(7)
"""
    result = await python(box, code)
    assert (result.exit_code, result.cause) == (7, "error")
    assert result.output.count('"op": "ended"') == 6
    assert await said(box, "print('still in step')") == "still in step"


async def test_the_environment_holds_no_secret_and_nothing_of_the_host(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with Sandbox.open(settings(launcher)) as box:
        seen = await said(box, "import os; print(dict(os.environ))")
        also = await bash(box, f"grep -rls {CANARY} /proc/*/environ /run /tmp /etc /workspace; env")
    assert CANARY not in seen + also.output
    assert "API_KEY" not in seen
    assert "'HOME': '/workspace'" in seen
    assert "'PYTHONNOUSERSITE': '1'" in seen


async def test_two_boxes_share_nothing(box: Box, launcher: Launcher) -> None:
    async with Sandbox.open(settings(launcher)) as other:
        await bash(box, "echo mine > /workspace/a; echo mine > /tmp/a; echo mine > /dev/shm/a")
        seen = await bash(other, "ls /workspace /tmp /dev/shm; ls -d /proc/[0-9]* | wc -l")
        assert "a\n" not in seen.output
        assert await other.files() == ()


async def test_a_module_in_the_workspace_can_be_imported_but_never_in_place_of_a_library(
    box: Box,
) -> None:
    await box.put("mine.py", b"x = 5")
    assert await said(box, "import mine; print(mine.x)") == "5"
    for name in ("json.py", "requests.py", "sitecustomize.py", "encodings.py"):
        await box.put(name, b"open('/workspace/TAKEN', 'w')")
    assert await said(box, "import json, requests; print(json.dumps(requests.codes.ok))") == "200"
    assert (await bash(box, "cd /tmp; python3 -c 'import mine; print(mine.x)'")).output == "5\n"
    await box.put(".local/lib/python3.11/site-packages/usercustomize.py", b"open('TAKEN', 'w')")
    assert (await box.convert("json.py")).parts[0].text.startswith("open(")
    assert "TAKEN" not in [file.path for file in await box.files()]
