"""A folder for a socket has a short path, wherever temporary files usually lie."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from orchestrator.errors import NotReady
from sandbox.short_folder import short_folder


def test_the_usual_place_is_taken_where_it_is_short_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    with short_folder("quaestor-a-") as folder:
        assert folder.parent == Path("/tmp")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_deep_place_is_avoided_and_a_socket_can_be_bound_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 110)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with short_folder("quaestor-a-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "outlet.sock"))


def test_without_any_short_place_the_error_names_the_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = str(tmp_path / ("d" * 110))
    monkeypatch.setattr("tempfile.tempdir", deep)
    with pytest.raises(NotReady) as refused, short_folder("quaestor-a-", places=()):
        pass
    assert deep in refused.value.message
    assert "TMPDIR" in str(refused.value.fix)
