"""Redaction: what has a form is found, what only looks like it is left, and links survive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from forensics_values import FOR, all_of, intake_of, material_of, ran, said
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from tasks.forensics.redaction import KEY_FILE, Redactor, found_in, key_in
from tasks.forensics.reporting.content import report_of
from tasks.forensics.reporting.pages import rendered

KEY = b"k" * 32
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLWhlcmU"
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"
CASES = [
    ("mail", "write to Ann.Lee+x@mail.example.com today"),
    ("mail", "?email=ann%40mail.example&x=1"),
    ("mail", "jürgen@bücher.example"),
    ("card", "card 4111 1111 1111 1111 was used"),
    ("card", "5500-0000-0000-0004"),
    ("card", "378282246310005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("phone", "+49 (30) 1234-5678"),
    ("phone", "0049 30 12345678"),
    ("phone", "call 030 1234567"),
    ("ip", "from 240.11.3.9, then"),
    ("ip", "[2001:db8::1]"),
    ("ip", "::ffff:10.0.0.1 or fe80::1"),
    ("token", f"Bearer {JWT}"),
    ("key", "AKIAIOSFODNN7EXAMPLE"),
    ("key", "ghp_" + "a1B2" * 9),
    ("key", "sk-proj-" + "aB3_" * 8),
    ("private-key", PRIVATE),
]
BETWEEN = st.sampled_from([" ", "\n", ", ", " and ", "; ", "\t", " | "])


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_what_has_a_form_is_replaced_by_a_pseudonym_of_its_kind(kind: str, text: str) -> None:
    redacted = Redactor(KEY).text(text)
    assert f"[{kind} " in redacted
    assert found_in(redacted) == ()


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-18T12:19:01.510Z",
        "1779106741510",
        "4111 1111 1111 1112",
        "DE89370400440532013002",
        "version 1.2.3",
        "999.1.2.3",
        "a" * 64,
        "0123456789abcdef" * 4,
        "C3.1.10 E005:10-12 Q12AB34",
        "262.8 = 99.0 + 163.8",
        "12:30:45",
        "AFF-1483 usr_0041853",
        "SELECT count(*) FILTER (WHERE c.partner = 'P-7') FROM conversion c",
        "2026-05-01 00:00:00",
        "12345678901234567890123",
    ],
)
def test_what_only_looks_like_personal_data_is_left_as_it_is(text: str) -> None:
    assert Redactor(KEY).text(text) == text


def test_a_value_has_one_pseudonym_however_it_is_written_and_another_under_another_key() -> None:
    redactor = Redactor(KEY)
    assert redactor.text("ANN@Mail.example") == redactor.text("ann%40mail.example")
    assert redactor.text("4111111111111111") == redactor.text("4111-1111-1111-1111")
    assert redactor.text("+49 30 12345678") == redactor.text("0049 (30) 1234-5678")
    assert redactor.text("a@x.example") != Redactor(b"o" * 32).text("a@x.example")
    assert redactor.text("a@x.example") != redactor.text("b@x.example")
    assert redactor.known[redactor.text("a@x.example")] == "a@x.example"


def test_names_are_redacted_where_they_stand_alone() -> None:
    redactor = Redactor(KEY, names=("Ann Lee", "Lee"))
    redacted = redactor.text("ANN LEE met Lee in Leeds")
    assert "Leeds" in redacted
    assert redacted.count("[name ") == 2


def test_addresses_can_be_kept() -> None:
    redactor = Redactor(KEY, kinds=("mail",))
    assert redactor.text("240.0.0.1 a@x.example").startswith("240.0.0.1 [mail ")


@given(st.lists(st.sampled_from([text for _, text in CASES]), min_size=1, max_size=6), BETWEEN)
@settings(max_examples=30, deadline=None)
def test_nothing_is_left_and_a_second_time_changes_nothing(parts: list[str], between: str) -> None:
    redactor = Redactor(KEY)
    once = redactor.text(between.join(parts))
    assert redactor.text(once) == once
    assert found_in(once) == ()


@given(st.text(alphabet="0123456789 .:-@%+()/aAbBeEyYjJ_", max_size=2_000))
@settings(max_examples=60, deadline=None)
def test_hostile_text_is_redacted_in_the_end(text: str) -> None:
    Redactor(KEY).text(text)


def test_no_form_takes_more_than_linear_time_on_long_runs() -> None:
    for unit in (
        "a@",
        "4",
        "4 ",
        "eyJ",
        "+49",
        "A1",
        "1.",
        ":",
        "a.",
        "-----BEGIN PRIVATE KEY-----",
    ):
        Redactor(KEY).text(unit * (40_000 // len(unit)))


def test_a_report_is_redacted_in_every_form_and_keeps_its_hashes_and_links() -> None:
    intake = intake_of()
    secret = "ann@mail.example 4111 1111 1111 1111 240.9.9.9"
    claim = said(1, "last-click-hijack", "neutral", text=f"Seen with {secret}.")
    made = report_of(
        material_of([*(ran(n, FOR[n], intake) for n in all_of("ring")), claim], intake)
    )
    shared = Redactor(KEY).report(made)
    for name, content in rendered(shared).items():
        text = content.decode()
        assert "ann@mail" not in text, name
        assert "240.9.9.9" not in text, name
        assert not re.search(r"4111[ -]?1111", text), name
    assert [c.id for c in shared.claims] == [c.id for c in made.claims]
    assert [e.sha256 for e in shared.exhibits] == [e.sha256 for e in made.exhibits]
    assert shared.verdict.word == made.verdict.word


def test_a_card_in_a_column_of_numbers_is_found() -> None:
    assert Redactor(KEY).value([[4111111111111111, 262.8, 7, True]])[0][1:] == [262.8, 7, True]
    assert "[card " in Redactor(KEY).value([[4111111111111111]])[0][0]


def test_the_key_of_a_batch_is_made_once_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    assert key_in(tmp_path) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(UsageError, match="no key of 32 bytes"):
        key_in(tmp_path)
