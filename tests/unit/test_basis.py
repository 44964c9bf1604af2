"""What an answer rests on: which of its atoms the seen bytes hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.basis import SourceText, atoms, check_answer
from orchestrator.events import AnswerCheck
from orchestrator.ledger import LeadReply

TASK = "Which supplier is cheapest for 12 units of part HX-4410?"


def check(
    answer: str,
    *seen: str,
    computed: tuple[str, ...] = (),
    cited: tuple[str, ...] = (),
    quotes: tuple[tuple[str, str], ...] = (),
) -> AnswerCheck:
    """`seen` become the evidence s1, s2, ...; `computed` the outputs c1, c2, ..."""
    sources = [SourceText(f"s{n}", text, False) for n, text in enumerate(seen, start=1)]
    sources += [SourceText(f"c{n}", text, True) for n, text in enumerate(computed, start=1)]
    citations = [{"quote": quote, "evidence": [name] if name else []} for quote, name in quotes]
    reply = LeadReply.model_validate({"answer": answer, "citations": citations})
    return check_answer(reply, TASK, sources, cited)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("It is blue.", []),
        ("The price is 1,234.50 EUR.", ["1,234.50"]),
        ("See https://shop.example/a?b=1.", ["https://shop.example/a?b=1"]),
        ("On 2024-03-05 and 5 March 2024.", ["2024-03-05", "5 March 2024"]),
        ("Part HX-4410 by Nordwind Parts.", ["HX-4410", "Nordwind Parts"]),
        ("Nordwind Parts sells it.", ["Nordwind Parts"]),
        ("The Bank of England said 4 and 4.", ["Bank of England", "4"]),
        ("Ask the Bank of England about -5.", ["Bank of England", "-5"]),
    ],
)
def test_atoms_are_what_can_be_checked(text: str, expected: list[str]) -> None:
    assert atoms(text) == expected


HELD = [
    # answer, seen, unsupported
    ("The total is 1234.5 EUR.", "total: 1,234.50 EUR", ()),
    ("The total is 1,234.50 EUR.", "total 1234.5", ()),
    ("The total is 1234.5 EUR.", "total 1234.6", ("1234.5",)),
    ("The total is 1234.5 EUR.", "total 51234.5", ("1234.5",)),
    ("It was on 2024-03-05.", "posted on March 5, 2024", ()),
    ("It was on March 5, 2024.", "2024-03-05T10:00:00", ("March 5, 2024",)),
    ("It was on March 5, 2024.", "on 2024-03-05 at ten", ()),
    ("It was on 2024-03-05.", "on 2024-05-03", ("2024-03-05",)),
    ("It was on 2024-13-45.", "seen on 1999-99-99", ("2024-13-45",)),
    ("It was on 2024-13-45.", "seen on 2024-13-45", ()),
    ("Buy from Nordwind Parts.", "| **Nordwind  Parts** | 4 |", ()),
    ("Buy from Nordwind Parts.", "Nordwind Ltd, Parts Inc", ("Nordwind Parts",)),
    ("Ask the Bank of England.", "says the Bank of Scotland", ("Bank of England",)),
    ("See https://shop.example/a/.", "HTTPS://shop.example/a", ()),
    ("See https://shop.example/b.", "https://shop.example/a", ("https://shop.example/b",)),
    # a short number counts only near a word of the task or the answer
    ("The cheapest supplier offers 7.", "cheapest supplier: 7", ()),
    ("The cheapest supplier offers 7.", "chapter 7", ("7",)),
    # what the task itself says needs no evidence
    ("For 12 units of HX-4410: none.", "nothing here", ()),
]


@pytest.mark.parametrize(("answer", "seen", "unsupported"), HELD)
def test_an_atom_is_supported_only_where_the_bytes_hold_it(
    answer: str, seen: str, unsupported: tuple[str, ...]
) -> None:
    assert check(answer, seen).unsupported == unsupported


@pytest.mark.parametrize(
    ("answer", "seen", "computed", "basis"),
    [
        ("It is blue.", (), (), "model_memory"),
        ("It is 4711.", ("code 4711",), (), "evidence"),
        ("It is 4711.", (), ("4711",), "computed"),
        ("It is 4711 and 815.", ("code 815",), ("4711",), "mixed"),
        ("It is 4711.", ("other",), ("other",), "model_memory"),
    ],
)
def test_the_basis_names_what_held_the_answer(
    answer: str, seen: tuple[str, ...], computed: tuple[str, ...], basis: str
) -> None:
    assert check(answer, *seen, computed=computed).basis == basis


def test_only_cited_evidence_counts_and_code_output_always() -> None:
    assert check("It is 4711.", "no", "code 4711", cited=("s1",)).unsupported == ("4711",)
    assert check("It is 4711.", "no", "code 4711", cited=("s2",)).unsupported == ()
    assert check("It is 4711.", "no", computed=("4711",), cited=("s1",)).unsupported == ()


@pytest.mark.parametrize(
    ("quote", "name", "misquoted"),
    [
        ("the sky is blue", "s1", ()),
        ("The  SKY is **blue**", "s1", ()),
        ("the sky is green", "s1", ("the sky is green",)),
        ("the sky is blue", "s2", ("the sky is blue",)),
        ("the sky is blue", "", ()),
        ("", "s1", ()),
    ],
)
def test_a_quote_must_stand_in_the_evidence_that_it_names(
    quote: str, name: str, misquoted: tuple[str, ...]
) -> None:
    found = check("x", "Look: the sky is blue.", "the sea", quotes=((quote, name),))
    assert found.misquoted == misquoted


def test_an_answer_that_says_it_could_not_is_not_held_to_its_numbers() -> None:
    assert check("I am unable to find the price of 4711.").unsupported == ()
    both = "I could not find the price of 4711. The stock is 98765 units."
    assert check(both).unsupported == ("98765",)
    assert check("It costs 1.5 EUR. What 4711 costs is unknown.").unsupported == ("1.5",)


TEXT = st.text() | st.from_regex(r"([\d.,:/\-+ ]|https?://|May |HX|\u0664|\u00a0){0,40}")


@given(TEXT, TEXT)
def test_no_text_makes_the_check_fail(answer: str, seen: str) -> None:
    found = check(answer, seen, quotes=((seen, "s1"),))
    assert set(found.unsupported) <= set(atoms(answer))


WORDS = st.lists(
    st.sampled_from(["Nordwind", "Parts", "of", "HX-4410", "1,234.50", "-7", "0", "2024-03-05"])
    | st.sampled_from(["5 March 2024", "https://shop.example/a", "is", "and", "(12)", "3."]),
    max_size=12,
).map(" ".join)


@given(WORDS)
def test_an_answer_that_is_word_for_word_in_the_evidence_is_supported(answer: str) -> None:
    assert check(answer, f"{TASK} {answer} {TASK}", cited=("s1",)).unsupported == ()
