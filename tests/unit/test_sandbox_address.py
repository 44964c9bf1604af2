"""The engine is looked for where its own client would look."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sandbox import owner
from sandbox.address import candidates


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


def test_the_environment_variable_is_the_only_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.5:2375")
    assert candidates() == ["tcp://10.0.0.5:2375"]


def test_the_chosen_context_is_the_only_candidate(tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    meta = folder / "contexts/meta" / hashlib.sha256(b"work").hexdigest()
    meta.mkdir(parents=True)
    described = {"Endpoints": {"docker": {"Host": "unix:///somewhere.sock"}}}
    (meta / "meta.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / "config.json").write_text('{"currentContext": "work"}', encoding="utf-8")
    assert candidates() == ["unix:///somewhere.sock"]
    (folder / "config.json").write_text('{"currentContext": "default"}', encoding="utf-8")
    assert "unix:///somewhere.sock" not in candidates()


@pytest.mark.parametrize("place", ["docker.sock", "podman/podman.sock"])
def test_rootless_sockets_are_found_when_they_exist(tmp_path: Path, place: str) -> None:
    socket = tmp_path / "run" / place
    assert f"unix://{socket}" not in candidates()
    socket.parent.mkdir(parents=True)
    socket.touch()
    assert f"unix://{socket}" in candidates()


def test_a_broken_client_configuration_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{not json", encoding="utf-8")
    assert isinstance(candidates(), list)


def test_a_process_is_told_from_a_later_one_with_the_same_id() -> None:
    mine = owner.process()
    assert owner.alive(mine)
    assert not owner.alive(mine.partition("@")[0] + "@1")
    assert not owner.alive("")
    assert not owner.alive("4194999@5")
    assert owner.place() == owner.place()
