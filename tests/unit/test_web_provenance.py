"""Where a URL or a text came from, what may be told, and what a resume learns again."""

from __future__ import annotations

import json

import pytest

from agents.web_surfer.provenance import Trust, exact, named_urls

TASK = (
    "Compare https://shop.test/lamps?page=2 with (http://127.0.0.1:8080/a), and look at "
    "example.org/prices. Then write 'Best regards, Ada' to them."
)


def reader(*sources: str, task: str = TASK, tell: tuple[str, ...] = ()) -> Trust:
    return Trust(lambda: frozenset(sources), lambda: task, frozenset(tell))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://A.test", "http://a.test:80/", True),
        ("https://a.test/x", "https://a.test:443/x", True),
        ("http://2130706433/", "http://127.0.0.1/", True),
        ("http://a.test/x", "https://a.test/x", False),
        ("http://a.test/x", "http://a.test:81/x", False),
        ("http://a.test/x", "http://a.test/X", False),
        ("http://a.test/x", "http://a.test/x/", False),
        ("http://a.test/x", "http://a.test/x?", True),
        ("http://a.test/x", "http://a.test/x?d=1", False),
        ("http://a.test/x", "http://a.test/x#d", False),
        ("http://a.test/x", "http://b.a.test/x", False),
        ("http://a.test/x", "http://d@a.test/x", False),
    ],
)
def test_urls_are_compared_exactly(one: str, other: str, same: bool) -> None:
    assert (exact(one) == exact(other)) is same


def test_the_urls_of_a_task_are_found_with_and_without_what_ends_a_sentence() -> None:
    found = named_urls(TASK)
    for url in ("https://shop.test/lamps?page=2", "http://127.0.0.1:8080/a"):
        assert url in found
    assert {"https://example.org/prices", "http://example.org/prices"} <= set(found)


def test_a_url_is_known_from_the_task_or_a_link_and_from_nothing_else() -> None:
    trust = reader("the file")
    assert trust.is_from_elsewhere("https://shop.test/lamps?page=2")
    assert not trust.is_from_elsewhere("https://shop.test/lamps?page=3")
    trust.note_links(["https://shop.test/lamps?page=3"])
    assert trust.is_from_elsewhere("https://shop.test:443/lamps?page=3")
    assert not trust.is_from_elsewhere("https://shop.test/lamps?page=3#x")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("Best regards, Ada", True),
        ("best  regards,\nada", True),
        ("Best regards, Ada Lovelace", False),
        ("egards, Ad", False),
        ("A", False),
        ("", True),
    ],
)
def test_only_whole_words_of_the_task_are_quoted(text: str, quoted: bool) -> None:
    assert reader().is_quoted(text) is quoted


def test_what_a_host_has_shown_is_no_secret_to_it() -> None:
    trust = reader()
    trust.note("private", "bank.test")
    assert trust.private("bank.test") == frozenset()
    assert trust.private("evil.test") == {"pages of bank.test while signed in"}


def test_a_host_is_told_what_the_operator_or_a_person_allows() -> None:
    trust = reader("the file", tell=("crm.test", "127.0.0.1:8080"))
    assert trust.may_be_told("crm.test")
    assert trust.may_be_told("crm.test:8443")
    assert trust.may_be_told("127.0.0.1:8080")
    assert not trust.may_be_told("127.0.0.1:8081")
    assert not trust.may_be_told("evil.crm.test")
    trust.note("told", "evil.crm.test")
    assert trust.may_be_told("evil.crm.test")


def test_a_resume_learns_again_what_was_recorded() -> None:
    trust = reader()
    trust.note_links(["http://a.test/x", "http://a.test/x"])
    trust.note("failed", "a.test")
    trust.note("failed", "a.test")
    news = json.loads(json.dumps(trust.take_news()))
    assert len(news) == 3
    assert trust.take_news() == []
    again = reader(task="")
    again.recall(news)
    assert again.is_from_elsewhere("http://a.test/x")
    assert again.failures("a.test") == 2
