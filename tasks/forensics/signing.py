"""Signs a bundle with an ssh key, and says who has signed one.

A chain of hashes shows order and change; whose it is, a signature shows. `ssh-keygen` does it, with
the keys that people have; no key is read here. The signature stands beside the bundle, in FILE.sig.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from orchestrator.errors import NotReady, UsageError

NAMESPACE = "quaestor-case"
"""What the signature is for, so that none made for something else is taken for one of these."""
SECONDS = 120.0


def signature_of(bundle: Path) -> Path:
    """Where the signature of a bundle stands."""
    return bundle.with_name(f"{bundle.name}.sig")


def sign(bundle: Path, key: Path) -> Path:
    """Sign a bundle with a private key, or with a public one whose other half an agent holds.
    Raises UsageError when that fails, NotReady without ssh-keygen."""
    place = signature_of(bundle)
    if place.exists():
        raise UsageError(f"{place} is there already", fix="remove it, or write another bundle")
    done = _run("sign", "-n", NAMESPACE, "-f", str(key), str(bundle))
    if done.returncode or not place.is_file():
        raise UsageError(f"{bundle} cannot be signed with {key}: {_said(done)}")
    return place


def signer(bundle: Path, allowed: Path) -> str:
    """Who has signed a bundle, of those whom `allowed` names (ssh's allowed_signers: NAME KEY, one
    a line). Raises UsageError when nobody of them has, or the bundle was changed since."""
    place = signature_of(bundle)
    for file in (place, allowed):
        if not file.is_file():
            raise UsageError(f"{file} is not there")
    found = _run("find-principals", "-s", str(place), "-f", str(allowed))
    names = found.stdout.decode("utf-8", "replace").split()
    if found.returncode or not names:
        raise UsageError(f"{place} was made by nobody whom {allowed} names")
    with bundle.open("rb") as content:
        done = _run(
            "verify", "-n", NAMESPACE, "-f", str(allowed), "-I", names[0], "-s", str(place),
            stdin=content.fileno(),
        )  # fmt: skip
    if done.returncode:
        raise UsageError(f"{bundle} is not what {names[0]} has signed: {_said(done)}")
    return names[0]


def _run(
    act: str, *arguments: str, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise NotReady("ssh-keygen is not there", fix="install OpenSSH, or leave the signature out")
    try:
        return subprocess.run(
            [program, "-Y", act, *arguments],
            stdin=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"ssh-keygen took more than {SECONDS:g} s to {act}") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr + b" " + done.stdout).decode("utf-8", "replace")
    return " ".join(text.split())[:300] or "ssh-keygen gave no reason"
