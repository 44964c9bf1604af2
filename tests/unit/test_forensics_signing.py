"""Signatures by real ssh keys: who signed is named, and nothing else passes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from tasks.forensics.signing import sign, signature_of, signer


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key pairs, and the file that allows the first."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "eve"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(make, check=True)
    public = (folder / "ada.pub").read_text(encoding="utf-8")
    (folder / "allowed").write_text(f"ada@lab.example {public}", encoding="utf-8")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    file = tmp_path / "case.zip"
    file.write_bytes(b"PK bundle")
    return file


def test_a_signed_bundle_names_its_signer(keys: Path, bundle: Path) -> None:
    assert sign(bundle, keys / "ada") == signature_of(bundle)
    assert signer(bundle, keys / "allowed") == "ada@lab.example"


def test_one_changed_byte_in_a_signed_bundle_is_found(keys: Path, bundle: Path) -> None:
    sign(bundle, keys / "ada")
    bundle.write_bytes(b"PK bundlf")
    with pytest.raises(UsageError, match=r"is not what ada@lab\.example has signed"):
        signer(bundle, keys / "allowed")


def test_a_stranger_is_nobody(keys: Path, bundle: Path) -> None:
    sign(bundle, keys / "eve")
    with pytest.raises(UsageError, match="by nobody whom"):
        signer(bundle, keys / "allowed")


def test_a_signature_made_for_something_else_does_not_count(keys: Path, bundle: Path) -> None:
    made = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(keys / "ada"), str(bundle)]
    subprocess.run(made, check=True, capture_output=True)
    with pytest.raises(UsageError, match="is not what"):
        signer(bundle, keys / "allowed")


def test_what_is_missing_or_there_already_is_said(keys: Path, bundle: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        signer(bundle, keys / "allowed")
    with pytest.raises(UsageError, match="cannot be signed"):
        sign(bundle, keys / "nobody")
    shutil.copy(keys / "allowed", signature_of(bundle))
    with pytest.raises(UsageError, match="is there already"):
        sign(bundle, keys / "ada")
