"""Which URLs a run must not look at: whole hosts, and paths of hosts."""

from __future__ import annotations

import pytest

from agents.web_surfer.closing import closed_by, closed_hosts, refusal

PLACES = ("hub.test", "code.test/openai/human-eval", "Data.test/Sets/")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://hub.test/datasets/x", "hub.test"),
        ("HTTPS://user@Hub.TEST.:443/", "hub.test"),
        ("cdn.hub.test/x", "hub.test"),
        ("https://nothub.test/", None),
        ("https://hub.test.example.org/", None),
        ("https://example.org/?u=hub.test", None),
        ("https://code.test/openai/human-eval/blob/x", "code.test/openai/human-eval"),
        ("https://code.test/OpenAI/Human%2Deval", "code.test/openai/human-eval"),
        ("https://code.test//openai/./human-eval/", "code.test/openai/human-eval"),
        ("https://raw.code.test/openai/human-eval", "code.test/openai/human-eval"),
        ("https://code.test/openai/human-evaluation", None),
        ("https://code.test/openai", None),
        ("https://data.test/sets/1", "Data.test/Sets/"),
        ("http://[bad", None),
        ("", None),
    ],
)
def test_a_url_is_closed_by_host_or_by_whole_parts_of_its_path(url: str, place: str | None) -> None:
    assert closed_by(url, PLACES) == place


def test_the_proxy_closes_the_whole_hosts() -> None:
    assert closed_hosts(PLACES) == {"hub.test", "*.hub.test"}


def test_a_refusal_names_the_host_and_the_entry() -> None:
    said = "closed for this run: hub.test (by the entry hub.test)"
    assert refusal("https://hub.test/x", "hub.test") == said
