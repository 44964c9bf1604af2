"""What a case may reach follows from its manifest alone, whatever the settings of a user allow."""

from __future__ import annotations

import pytest

from orchestrator.settings import Settings, WebSettings
from tasks.forensics.looking import hosts_text, with_hosts
from tasks.forensics.manifest import Case

CASE = Case(case_id="a", question="Is it so?", evidence=("e",))
OPEN = Settings(
    web=WebSettings(
        allow_hosts=("10.0.0.7:8080", "terms.example.com:8443", "other.example.com"),
        tell_hosts=("other.example.com",),
        only_hosts=("other.example.com",),
    )
)


def test_a_case_without_hosts_has_no_browser() -> None:
    assert "websurfer" in with_hosts(OPEN, CASE).without
    assert hosts_text(CASE) == ""


def test_a_case_reaches_its_own_hosts_and_none_that_the_settings_add() -> None:
    case = CASE.model_copy(update={"network": ("terms.example.com",)})
    web = with_hosts(OPEN, case).web
    assert web.only_hosts == ("terms.example.com",)
    assert web.allow_hosts == ("terms.example.com:8443",)
    assert web.tell_hosts == ()
    assert "terms.example.com" in hosts_text(case)


@pytest.mark.parametrize("given", [[], None, "none"])
def test_no_hosts_are_none(given: object) -> None:
    assert Case.model_validate({**CASE.model_dump(), "network": given}).network == "none"


def test_hosts_are_written_in_small_letters() -> None:
    found = Case.model_validate({**CASE.model_dump(), "network": ["Terms.Example.com"]})
    assert found.network == ("terms.example.com",)
