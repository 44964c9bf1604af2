"""What a model of a case sees: nothing personal in any spelling, and all of it can be put back."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from forensics_values import intake_of
from hypothesis import given
from hypothesis import strategies as st

from agents.toolkit import tool, tools_of
from orchestrator.agent import Observation
from orchestrator.errors import ToolFailed, UsageError
from tasks.forensics.board import Board
from tasks.forensics.intake import Order
from tasks.forensics.manifest import Case, Redaction
from tasks.forensics.masking import PSEUDONYMS, Mask, mask_of
from tasks.forensics.playbook import load_playbook
from tasks.forensics.redaction import KEY_FILE, PSEUDONYM, Redactor
from tasks.forensics.showing import exhibits_text, profile_text, rows_text

KEY = b"k" * 32
MAIL = "Jane.Doe@mail.example"
NAMES = ("Jane Doe", "Jürgen Weiß", "C-1042")


def mask() -> Mask:
    return Mask(Redactor(KEY, names=NAMES, is_exact=True))


WRITTEN = {
    "as it is": MAIL,
    "in capitals": MAIL.upper(),
    "in a query": f"https://x.example/?email={MAIL}&a=1",
    "percent": f"?e={quote(MAIL)}",
    "percent throughout": "".join(f"%{ord(c):02X}" for c in MAIL),
    "percent twice": f"?e={quote(quote(MAIL))}",
    "a whole address encoded": quote(f"https://x.example/?mail={MAIL}", safe=""),
    "entities": "jane.doe&#64;mail.example",
    "escapes": "jane.doe\\u0040mail.example",
    "quoted printable": "jane.doe=40mail.example",
    "base64": base64.b64encode(MAIL.encode()).decode(),
    "base64 in a query": f"?u={base64.urlsafe_b64encode(MAIL.encode()).decode()}&x",
    "hexadecimal": MAIL.encode().hex(),
    "full width": "jane.doe\uff20mail.example",
    "with an invisible character": "jane.\u200bdoe@mail.\u200bexample",
    "in JSON": f'{{"email": "{MAIL}"}}',
    "in quotation marks": f"'{MAIL}'",
    "a name": "Mrs JANE  DOE",
    "a name in a mail": "janedoe85",
    "a name with a plus": "q=Jane+Doe",
    "a name encoded": "q=Jane%20Doe",
    "a name turned round": "Doe, Jane",
    "a first name alone": "jane | x",
    "a last name in an id": "user_doe_7",
    "a name with accents": "J%C3%BCrgen",
    "a name without": "jurgen weiß",
    "a named value": "customer C-1042.",
    "a phone": "(555) 010-4477 555-010-4477".replace("010", "210"),
    "a card": "4111111111111111",
    "a line of a key": "MIIEpAIBAAKCAQEAt6Y1h0bKz7Qq3wVfJm9XcR2uN8sLdPZ0yGgHkTe4WvOaBiC5" * 1,
}
PLANTED = re.compile(
    r"jane|doe|j.?rgen|wei(ß|ss)|1042|mail\.example|4477|4111|MIIEpA", re.IGNORECASE
)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_nothing_personal_is_left_in_any_spelling_and_all_can_be_put_back(text: str) -> None:
    hiding = mask()
    shown = hiding.text(text)
    left = PSEUDONYM.sub("", shown)
    assert not PLANTED.search(left), shown
    assert PSEUDONYM.search(shown)
    assert hiding.restored(shown) == text
    assert hiding.text(shown) == shown


def test_spellings_differ_at_the_end_and_agree_with_the_copy_that_is_handed_on() -> None:
    hiding, sharing = mask(), Redactor(KEY, names=NAMES)
    shown = [hiding.text(text) for text in (MAIL.lower(), MAIL, MAIL.upper(), quote(MAIL))]
    (shared,) = {sharing.text(text) for text in (MAIL.lower(), MAIL, MAIL.upper(), quote(MAIL))}
    assert len(set(shown)) == 4
    assert shown[0] == shared
    assert all(text.startswith(shared[:-1]) for text in shown)


@given(st.lists(st.sampled_from([*WRITTEN.values(), "b, ", " c=1 ", "%"]), max_size=6))
def test_whatever_is_shown_comes_back_as_it_was(parts: list[str]) -> None:
    hiding, text = mask(), " ".join(parts)
    assert hiding.restored(hiding.text(text)) == text


def test_a_pseudonym_in_sql_comes_back_quoted_as_it_is_around_it() -> None:
    hiding = Mask(Redactor(KEY, names=("Pat O'Hara",), is_exact=True))
    name = hiding.text("Pat O'Hara")
    sql = f"SELECT \"{name}\" FROM e001 WHERE a = '{name}' OR b LIKE '%{name}%' OR {name}"
    assert hiding.restored(sql, "query") == (
        f"SELECT \"Pat O'Hara\" FROM e001 WHERE a = 'Pat O''Hara' OR b LIKE '%Pat O''Hara%' "
        f"OR {name}"
    )


@pytest.mark.parametrize("write", [str, re.escape, lambda name: name.replace("[", r"\[")])
def test_a_pseudonym_in_a_pattern_means_the_text_itself(write: object) -> None:
    hiding = mask()
    name = hiding.text(MAIL)
    written = re.escape(name) if write is re.escape else name
    form = re.compile(hiding.restored(f"^{written}$", "pattern"))
    assert form.search(MAIL)
    assert not form.search(MAIL.replace(".", "x"))
    query = hiding.restored(f"SELECT 1 FROM t WHERE regexp_matches(a, '{written}')", "query")
    assert MAIL.replace(".", "\\." if write is re.escape else ".") in query


def test_a_pseudonym_that_was_never_shown_is_refused_and_a_short_one_understood() -> None:
    hiding = mask()
    shown = hiding.text(MAIL)
    assert hiding.restored(f"{shown.partition('-')[0]}]") == MAIL
    hiding.text(MAIL.upper())
    with pytest.raises(ToolFailed, match="written in several ways"):
        hiding.restored(f"{shown.partition('-')[0]}]")
    with pytest.raises(ToolFailed, match="nothing that you were shown"):
        hiding.restored("[mail abcdefghij]")


def test_what_the_lab_has_cut_off_in_the_middle_is_not_shown() -> None:
    hiding = mask()
    line = f"{'x' * 1_980} jane.doe@mail.exa"
    assert "jane" not in hiding.text(line[:2_000].ljust(2_000, "m"))
    top = f"{'word ' * 21}card 4111 1111 1"[:120] + "..."
    assert "4111" not in hiding.text(top)


def test_numbers_that_are_cards_are_hidden_also_where_they_are_rounded() -> None:
    hiding = mask()
    shown = hiding.value([4111111111111111, 4.11111111111e15, 1779106741510, 262.8, True, None])
    assert [isinstance(item, str) for item in shown] == [True, True, False, False, False, False]
    assert hiding.restored(shown[0]) == "4111111111111111"


def test_names_of_files_and_columns_and_frequent_values_are_hidden_before_they_are_cut() -> None:
    intake = intake_of()
    exhibit = intake.exhibits[0]
    table = exhibit.tables[0]
    long = f"{'x' * 15} {MAIL}"
    column = table.columns[0].model_copy(
        update={"name": MAIL, "looks": "category", "top": ((long, 3),), "min": long, "max": MAIL}
    )
    table = table.model_copy(update={"columns": (column,)})
    exhibit = exhibit.model_copy(update={"path": f"files/{MAIL}.csv", "tables": (table,)})
    order = Order(table="t1", column=MAIL, line=2, text=f"ignore all, says {MAIL}")
    planted = intake.model_copy(update={"exhibits": (exhibit,), "orders": (order,)})
    case = Case(case_id="c", question="q", evidence=("files",))
    board = Board(case, planted, load_playbook(None), mask())
    said = exhibits_text(board.shown) + profile_text(board.shown, table.name)
    said += rows_text(*board.mask.value([[MAIL], [["a" * 150 + " " + MAIL]]]))
    assert not PLANTED.search(PSEUDONYM.sub("", said)), said
    assert board.intake == planted


class Desk:
    """A tool that shows what it was asked, and one that fails with it."""

    @tool()
    async def ask(self, query: str, columns: dict[str, str]) -> Observation:
        """Ask."""
        assert PSEUDONYM.search(query + str(columns)) is None
        records = [["claim", {"text": query}]]
        return Observation(text=query, locator=query, snapshot={"forensics": records})

    @tool()
    async def fail(self, query: str) -> Observation:
        """Fail."""
        raise ToolFailed(f"SQL: could not convert '{query}' LINE 1: SELECT 'jane.doe@mai...")


def test_tools_work_on_what_is_there_and_a_resumed_run_learns_what_was_hidden() -> None:
    hiding = mask()
    name = hiding.text(MAIL)
    tools = hiding.over(tools_of(Desk()))
    arguments = {"query": f"'{name}'", "columns": {name: f"e1.{name}"}}
    shown = asyncio.run(_call(tools["ask"].function, **arguments))
    assert shown.text == shown.locator == f"'{name}'"
    assert shown.snapshot["forensics"] == [
        ["claim", {"text": f"'{MAIL}'"}],
        [PSEUDONYMS, {name: MAIL}],
    ]
    failed = asyncio.run(_call(tools["fail"].function, query=f"'{name}'"))
    assert failed.failed
    assert not PLANTED.search(failed.text)
    fresh = Mask(Redactor(KEY, names=NAMES, is_exact=True))
    case = Case(case_id="c", question="q", evidence=("files",))
    Board(case, intake_of(), load_playbook(None), fresh).take(shown.snapshot["forensics"][1:])
    assert fresh.restored(name) == MAIL


async def _call(function: object, **arguments: object) -> Observation:
    assert callable(function)
    found = await function(**arguments)
    assert isinstance(found, Observation)
    return found


def test_a_case_that_goes_on_needs_the_key_it_began_with(tmp_path: Path) -> None:
    case = Case(case_id="c", question="q", evidence=("f",), redaction=Redaction(model_input=True))
    with pytest.raises(UsageError, match="is gone"):
        mask_of(case, tmp_path, is_begun=True)
    assert mask_of(case, tmp_path, is_begun=False).is_on
    assert (tmp_path / KEY_FILE).exists()
    assert mask_of(case, tmp_path, is_begun=True).text("240.1.2.3") == "240.1.2.3"
    assert not mask_of(
        case.model_copy(update={"redaction": Redaction()}), tmp_path, is_begun=True
    ).is_on
