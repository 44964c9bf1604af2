"""Where named secrets are read, and which of them are refused before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ToolFailed, UsageError
from orchestrator.settings import SecretSettings, Settings, WebSettings
from tasks.secret_values import vault_of

HERE = "https://git.test/"


def settings(**entry: Any) -> Settings:
    web = WebSettings(allow_hosts=("127.0.0.1:80",))
    return Settings(web=web, secrets={"pw": SecretSettings(**{"origin": HERE, **entry})})


@pytest.mark.parametrize("source", ["env", "file", "command"])
def test_a_value_comes_from_a_variable_a_file_or_a_program(source: str, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("canary-77\n", encoding="utf-8")
    entry: dict[str, Any] = {
        "env": {"env": "PW"},
        "file": {"file": str(tmp_path / "pw")},
        "command": {"command": (sys.executable, "-c", "print('canary-77\\nmore')")},
    }[source]
    vault = vault_of(settings(**entry), {"PW": "canary-77"})
    vault.load()
    assert vault.value_for("<secret:pw>", HERE) == "canary-77"


@pytest.mark.parametrize(
    "entry",
    [
        {"env": "PW", "origin": "http://git.test"},
        {"env": "PW", "origin": "http://127.0.0.1:81"},
        {"env": "PW", "origin": "https://git.test/login"},
        {"env": "PW", "origin": "https://user@git.test"},
        {"env": "PW", "origin": "git.test"},
        {"env": "PW", "origin": "file:///etc"},
        {},
        {"env": "PW", "file": "x"},
    ],
)
def test_a_secret_without_a_safe_origin_and_one_source_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"secrets\.pw"):
        vault_of(settings(**entry), {})


def test_a_loopback_address_that_the_operator_allows_may_have_a_secret() -> None:
    assert (
        "127.0.0.1:80" in vault_of(settings(env="PW", origin="http://127.0.0.1:80"), {}).listing()
    )


def test_what_cannot_be_read_is_said_without_what_was_printed() -> None:
    program = (sys.executable, "-c", "import sys; print('canary-77'); sys.exit(1)")
    vault = vault_of(settings(command=program), {})
    vault.load()
    with pytest.raises(ToolFailed) as refusal:
        vault.value_for("<secret:pw>", HERE)
    assert "did not give it" in refusal.value.message
    assert "canary" not in refusal.value.message
