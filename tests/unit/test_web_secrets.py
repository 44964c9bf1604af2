"""Secrets by name: where they may be typed, and that no spelling of them is shown."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from agents.web_surfer.secrets import Secret, Vault
from orchestrator.errors import ToolFailed

VALUE = "c4n&ry/Pass=word 77"


def vault(value: str = VALUE, origin: str = "https://git.test") -> Vault:
    made = Vault({"gh_pw": Secret("gh_pw", origin, lambda: value)})
    made.load()
    return made


def test_a_secret_is_typed_on_its_own_origin() -> None:
    assert vault().value_for("<secret:gh_pw>", "https://git.test:443/login?x=1") == VALUE
    assert vault().value_for("hunter2", "https://evil.test/") is None


@pytest.mark.parametrize(
    "place",
    [
        "http://git.test/login",
        "https://git.test:8443/",
        "https://evil.git.test/",
        "https://git.test.evil.test/",
        "https://git.test@evil.test/",
        "about:blank",
        "about:srcdoc",
        "data:text/html,x",
        "blob:https://git.test/1",
    ],
)
def test_a_secret_is_refused_anywhere_else(place: str) -> None:
    with pytest.raises(ToolFailed, match="secret_refused"):
        vault().value_for("<secret:gh_pw>", place)


@pytest.mark.parametrize("text", ["x<secret:gh_pw>", "<secret:gh_pw><secret:gh_pw>", "<secret:no>"])
def test_a_secret_fills_a_field_alone_and_has_to_exist(text: str) -> None:
    with pytest.raises(ToolFailed, match="secret_refused"):
        vault().value_for(text, "https://git.test/")


@pytest.mark.parametrize(
    "shown",
    [
        VALUE,
        quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
        VALUE.encode().hex(),
        VALUE[::-1],
        VALUE.upper(),
        json.dumps(VALUE),
        VALUE.replace("&", "&amp;"),
        VALUE[:12],
        VALUE[-12:],
    ],
)
def test_no_common_spelling_and_no_large_piece_is_shown(shown: str) -> None:
    masked = vault().mask(f"before {shown} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "(secret gh_pw)" in masked
    assert shown not in masked


def test_masking_reaches_into_recorded_values_and_leaves_others_alone() -> None:
    kept = {"storage": {"cookies": [{"value": f"x{VALUE}"}]}, "n": 3, "none": None}
    assert VALUE not in json.dumps(vault().mask_all(kept))
    assert Vault().mask_all(kept) is kept
    assert vault().mask("nothing here") == "nothing here"


def test_a_value_that_cannot_be_read_or_masked_is_named_when_it_is_used() -> None:
    with pytest.raises(ToolFailed, match="shorter than 6"):
        vault("abc").value_for("<secret:gh_pw>", "https://git.test/")

    def missing() -> str:
        raise ValueError("the variable GH_PW is not set")

    broken = Vault({"gh_pw": Secret("gh_pw", "https://git.test", missing)})
    broken.load()
    with pytest.raises(ToolFailed, match="GH_PW is not set"):
        broken.value_for("<secret:gh_pw>", "https://git.test/")
