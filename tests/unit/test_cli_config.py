"""`config` and `doctor` as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import Cli, knows
from openai_server import serve
from openai_wire import from_request_policy

from tasks.model_servers import running_servers
from tasks.setup import commands, may_change, missing_packages


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


def test_config_show_tells_value_and_origin_and_hides_the_key(cli: Cli) -> None:
    cli.configure('journal_url = "postgresql://me:hunter2@db/q"\n[models]\nname = "mine"\n')
    cli.environ = {"QUAESTOR_API_KEY": "sk-secret-1234", "QUAESTOR_LIMIT": "rounds=9"}
    shown = cli("config", "show", "--origin").stdout
    assert "models.name = mine" in shown
    assert f"# {cli.user_config}:3" in shown
    assert "limits.rounds = 9" in shown
    assert "# env QUAESTOR_LIMIT" in shown
    assert "key = set (env QUAESTOR_API_KEY, ends ..34)" in shown
    assert "sk-secret" not in shown
    assert "hunter2" not in shown
    records = [json.loads(line) for line in cli("config", "show", "--json").stdout.splitlines()]
    by_key = {record["key"]: record for record in records}
    assert by_key["limits.rounds"] == {
        "key": "limits.rounds", "value": 9, "origin": "env QUAESTOR_LIMIT",
    }  # fmt: skip


def test_config_check_is_2_for_what_is_wrong_and_warns_of_misspelled_variables(cli: Cli) -> None:
    cli.environ = {"QUAESTOR_MODELL": "x"}
    fine = cli("config", "check")
    assert fine.returncode == 0
    assert "QUAESTOR_MODELL" in fine.stderr
    cli.configure("[limits]\nround = 1\n")
    wrong = cli("config", "check")
    assert wrong.returncode == 2
    assert 'Did you mean "limits.rounds"?' in wrong.stderr
    assert str(cli.user_config) in cli("config", "path").stdout


def test_an_untrusted_project_file_stops_a_run_before_anything_is_sent(cli: Cli) -> None:
    with serve(from_request_policy(knows)) as thief:
        text = f'[models]\nname = "m"\nbase_url = "{thief.base_url}"\n'
        (cli.project / "quaestor.toml").write_text(text, encoding="utf-8")
        flags = ["--no-web", "--sandbox", "unsafe-local"]
        cli.environ = {"OPENAI_API_KEY": "sk-mine"}
        refused = cli("run", "x", *flags)
        assert refused.returncode == 2
        assert "models.base_url (line 3)" in refused.stderr
        assert "--trust-project" in refused.stderr
        assert thief.log == []
        trusted = cli("run", "x", *flags, "--trust-project")
        remembered = cli("run", "x", *flags)
    assert (trusted.stdout, remembered.stdout) == ("Paris\n", "Paris\n")


def test_doctor_fails_with_5_where_code_cannot_run_and_says_how_to_repair_it(cli: Cli) -> None:
    empty = cli.folder / "bin"
    empty.mkdir()
    cli.environ = {"PATH": str(empty), "DOCKER_HOST": "unix:///not/there.sock"}
    done = cli("doctor", "--json")
    findings = {record["name"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 5
    assert findings["docker"]["status"] == "warn"
    assert findings["sandbox"]["status"] == "fail"
    assert findings["browser"]["needs"] == "chromium"
    assert findings["home"]["status"] == findings["journal"]["status"] == "ok"
    assert all(record["fix"] for record in findings.values() if record["status"] != "ok")


def test_a_broken_home_is_named(cli: Cli) -> None:
    cli.home.write_text("a file is in the way", encoding="utf-8")
    empty = cli.folder / "bin"
    empty.mkdir()
    cli.environ = {"PATH": str(empty), "DOCKER_HOST": "unix:///not/there.sock"}
    assert "fail home" in cli("doctor").stdout
    listed = cli("runs")
    assert listed.returncode == 5
    assert listed.stderr.startswith("error: cannot write")


async def test_a_local_model_server_is_found_with_its_models() -> None:
    with serve(from_request_policy(knows)) as server:
        (found,) = await running_servers([("here", server.port), ("nobody", 9)])
    assert (found.name, found.base_url, found.models) == ("here", server.base_url, ("scripted",))


def test_setting_up_names_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing_packages(["bubblewrap"]) == ["bubblewrap", "debootstrap"]
    install = "sudo apt-get install -y --no-install-recommends"
    assert commands(["chromium"]) == [f"{install} chromium bubblewrap"]
    assert commands(["browser box"]) == [f"{install} bubblewrap"]
    assert commands(["docker"])[-1] == "sudo quaestor sandbox build"
    assert commands([]) == []


def test_the_machine_is_changed_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not may_change({"QUAESTOR_SETUP": "1", "CI": "true"})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert may_change({"QUAESTOR_SETUP": "1"})
    assert may_change({"CI": "true"})
