"""The verdict: what makes it, and what no team can talk it into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from forensics_values import AGAINST, FOR, PLAYBOOK, all_of, docket_of, intake_of, ran, said
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.forensics.claims import Checked
from tasks.forensics.playbook import Playbook
from tasks.forensics.verdict import WORDS, confirmed, verdict_of

MECHANISMS = [mechanism.id for mechanism in PLAYBOOK.mechanism]
SHARED = [test.id for test in PLAYBOOK.shared]
INTAKE = intake_of()
BETWEEN: dict[str, Any] = {name: dict.fromkeys(figures) for name, figures in FOR.items()}

FOR_SHARED = {name: FOR[name] for name in SHARED}


def names_of(mechanism: str, *parts: str) -> list[str]:
    found = next(one for one in PLAYBOOK.mechanism if one.id == mechanism)
    return [name for name, part, _ in found.tests() if part in parts]


def found(names: list[str], figures: dict[str, Any] | None = None) -> list[Checked]:
    return [ran(name, (figures or FOR)[name], INTAKE) for name in names]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_test_for_a_mechanism_supports_the_allegation(mechanism: str) -> None:
    verdict = verdict_of(docket_of(found(all_of(mechanism))))
    assert (verdict.word, verdict.confidence) == ("allegation_supported", "high") or (
        verdict.confidence == "medium"
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_any_one_test_left_out_is_missing_by_name_and_nothing_is_supported(mechanism: str) -> None:
    for name in all_of(mechanism):
        verdict = verdict_of(docket_of(found([n for n in all_of(mechanism) if n != name])))
        assert verdict.word in ("inconclusive", "insufficient_evidence"), name
        assert any(text.startswith(f"{name}: ") for text in verdict.missing), name


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_signals_without_their_twins_never_support_however_much_is_said(mechanism: str) -> None:
    one_sided = [said(number, mechanism, "inculpatory") for number in range(60)]
    verdict = verdict_of(docket_of([*found([*SHARED, *names_of(mechanism, "signal")]), *one_sided]))
    assert verdict.word == "inconclusive"
    for twin in names_of(mechanism, "twin"):
        assert any(text.startswith(f"{twin}: not tested") for text in verdict.missing)


def test_nothing_but_sentences_makes_no_verdict() -> None:
    claims = [said(n, MECHANISMS[n % len(MECHANISMS)], "inculpatory") for n in range(50)]
    assert verdict_of(docket_of(claims)).word == "inconclusive"
    claims = [said(n, MECHANISMS[n % len(MECHANISMS)], "exculpatory") for n in range(50)]
    assert verdict_of(docket_of(claims)).word == "inconclusive"


def test_every_signal_against_every_mechanism_is_what_not_supported_takes() -> None:
    signals = [name for one in MECHANISMS for name in names_of(one, "signal")]
    claims = [*found(SHARED), *found(signals, AGAINST)]
    assert verdict_of(docket_of(claims)).word == "not_supported"
    for item in claims:
        rest = [other for other in claims if other is not item]
        assert verdict_of(docket_of(rest)).word != "not_supported", item.claim.id


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("another sentence", {"text": "P-7 has done it 15 times."}, "not what the playbook"),
        ("no roles", {"roles": ()}, "not what the playbook"),
        ("unknown column", {"roles": (("click.id", "t1.nothing"),)}, "not what the playbook"),
    ],
)
def test_a_claim_that_only_says_it_reports_a_test_counts_for_nothing(
    name: str, changes: dict[str, Any], why: str
) -> None:
    names = all_of("last-click-hijack")
    claims = found(names[:-1])
    forged = ran(names[-1], FOR[names[-1]], INTAKE)
    claims.append(forged.model_copy(update={"claim": forged.claim.model_copy(update=changes)}))
    verdict = verdict_of(docket_of(claims))
    assert verdict.word == "inconclusive"
    assert any(text.startswith(names[-1]) and why in text for text in verdict.missing)


def test_an_outcome_that_a_claim_states_of_itself_is_not_believed() -> None:
    names = all_of("last-click-hijack")
    twin = names[-1]
    lied = ran(twin, AGAINST[twin], INTAKE, outcome=True)
    assert verdict_of(docket_of([*found(names[:-1]), lied])).word != "allegation_supported"


def test_a_mechanism_whose_figures_decide_nothing_was_tested_and_is_not_cleared() -> None:
    claims = found([*SHARED, *names_of("self-referral", "signal")], BETWEEN | FOR_SHARED)
    verdict = verdict_of(docket_of(claims))
    finding = next(f for f in verdict.findings if f.mechanism == "self-referral")
    assert finding.standing == "undecided"
    assert verdict.word != "not_supported"


def test_what_is_not_verified_counts_for_nothing() -> None:
    claims = [
        item.model_copy(update={"state": "mismatch"}) for item in found(all_of("click-flooding"))
    ]
    assert verdict_of(docket_of(claims)).word == "inconclusive"


def test_claims_that_nobody_has_looked_at_again_support_nothing() -> None:
    verdict = verdict_of(docket_of(found(all_of("click-flooding")), reviewed=()))
    assert verdict.word == "inconclusive"
    assert "no second pair of eyes" in " ".join(verdict.missing)


def test_an_incomplete_exhibit_is_named_and_supports_nothing() -> None:
    cut = intake_of(cut=["conversion"])
    claims = [ran(name, FOR[name], cut) for name in all_of("last-click-hijack")]
    verdict = verdict_of(docket_of(claims, cut))
    assert verdict.word == "insufficient_evidence"
    assert "E002 is not complete" in " ".join(verdict.missing)


def test_an_exhibit_that_stops_before_the_period_does_is_named() -> None:
    short = _clock_ends("2026-05-20T00:00:00Z")
    claims = [ran(name, FOR[name], short) for name in all_of("last-click-hijack")]
    verdict = verdict_of(docket_of(claims, short))
    assert verdict.word != "allegation_supported"
    assert "ends at 2026-05-20T00:00:00Z, before the period" in " ".join(verdict.missing)


def _clock_ends(last: str) -> Any:
    exhibits = []
    for exhibit in INTAKE.exhibits:
        table = exhibit.tables[0]
        columns = tuple(c.model_copy(update={"last": last}) if c.last else c for c in table.columns)
        changed = table.model_copy(update={"columns": columns})
        exhibits.append(exhibit.model_copy(update={"tables": (changed,)}))
    return INTAKE.model_copy(update={"exhibits": tuple(exhibits)})


def test_two_copies_of_one_file_are_one_source() -> None:
    first = INTAKE.exhibits[0]
    copies = tuple(e.model_copy(update={"sha256": first.sha256}) for e in INTAKE.exhibits)
    intake = INTAKE.model_copy(update={"exhibits": copies})
    claims = [ran(name, FOR[name], intake) for name in all_of("last-click-hijack")]
    verdict = verdict_of(docket_of(claims, intake))
    assert verdict.word != "allegation_supported"
    assert "2 independent exhibits are needed, 1 are behind it" in " ".join(verdict.missing)


def test_one_test_over_two_columns_with_two_outcomes_is_for_a_person() -> None:
    name = "last-click-hijack/deliberate-click"
    other = ran(name, AGAINST[name], INTAKE, id="C2", roles={"click.partner": "t1.click_id"})
    verdict = verdict_of(docket_of([*found(all_of("last-click-hijack")), other]))
    assert verdict.word != "allegation_supported"
    assert "different columns with different outcomes" in " ".join(verdict.missing)


def test_a_verified_claim_that_speaks_against_a_test_takes_it_out() -> None:
    against = said(1, "last-click-hijack", "exculpatory", refutes="C-last-click-hijack/quick")
    verdict = verdict_of(docket_of([*found(all_of("last-click-hijack")), against]))
    assert verdict.word != "allegation_supported"
    assert "speaks against C-last-click-hijack/quick" in " ".join(verdict.missing)


def test_a_team_that_came_to_no_end_leaves_it_to_a_person() -> None:
    verdict = verdict_of(docket_of(found(all_of("click-flooding"))), stopped="a model refused")
    assert (verdict.word, verdict.reason) == ("needs_human", "a model refused")


def test_a_case_without_rows_or_without_its_subject_has_not_enough_evidence() -> None:
    assert verdict_of(docket_of([], intake_of(exhibits=()))).word == "insufficient_evidence"
    verdict = verdict_of(docket_of([], intake_of(subject=())))
    assert verdict.word == "insufficient_evidence"
    assert "P-7 occurs in no table" in verdict.reason


def test_contrary_claims_stand_beside_the_others_and_lower_the_confidence() -> None:
    beside = said(1, "last-click-hijack", "exculpatory")
    verdict = verdict_of(docket_of([*found(all_of("last-click-hijack")), beside]))
    finding = next(f for f in verdict.findings if f.mechanism == "last-click-hijack")
    assert (verdict.word, verdict.confidence) == ("allegation_supported", "medium")
    assert finding.exculpatory == ("F1",)
    assert "C-last-click-hijack/quick" in finding.inculpatory


STATES = st.sampled_from(["absent", "for", "against", "between", "unseen"])


@given(st.fixed_dictionaries(dict.fromkeys(FOR, STATES)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_set_of_claims_reaches_further_than_its_tests(
    states: dict[str, str], complete: bool
) -> None:
    intake = INTAKE if complete else intake_of(cut=["conversion", "click"])
    figures = {"for": FOR, "against": AGAINST, "between": BETWEEN, "unseen": FOR}
    claims = {
        name: ran(name, figures[state][name], intake)
        for name, state in states.items()
        if state != "absent"
    }
    reviewed = [
        claims[n].claim.id for n, state in states.items() if n in claims and state != "unseen"
    ]
    verdict = verdict_of(docket_of(claims.values(), intake, reviewed))
    carried = [m for m in MECHANISMS if all(states[name] == "for" for name in all_of(m))]
    if verdict.word in ("allegation_supported", "partly_supported"):
        assert carried
        assert complete
    if verdict.word == "not_supported":
        assert complete
        assert not carried
        for mechanism in MECHANISMS:
            signals = {states[name] for name in names_of(mechanism, "signal")}
            twins = {states[name] for name in names_of(mechanism, "twin")}
            assert signals == {"against"} or ("for" in signals and "against" in twins)
    if verdict.word == "inconclusive":
        assert verdict.missing


@pytest.mark.parametrize("mechanism", MECHANISMS)
@given(st.data())
@settings(max_examples=12, deadline=None)
def test_an_accuser_gets_no_decoy_supported(mechanism: str, data: st.DataObject) -> None:
    """Decoy: signals are there, and one innocent twin is true or not ruled out. The accuser says
    only what is true, as much and as little of it as it likes."""
    twin = data.draw(st.sampled_from(names_of(mechanism, "twin")))
    truth = {**FOR, twin: data.draw(st.sampled_from([AGAINST[twin], BETWEEN[twin]]))}
    quiet = {m: AGAINST for m in MECHANISMS if m != mechanism}
    for name in truth:
        if name.partition("/")[0] in quiet:
            truth[name] = AGAINST[name]
    chosen = data.draw(st.sets(st.sampled_from(sorted(truth))))
    extra = [said(n, mechanism, "inculpatory") for n in range(data.draw(st.integers(0, 20)))]
    refuting = [said(99, mechanism, "inculpatory", refutes=f"C-{twin}")]
    verdict = verdict_of(docket_of([*found(sorted(chosen), truth), *extra, *refuting]))
    assert verdict.word not in ("allegation_supported", "partly_supported")


@pytest.mark.parametrize("mechanism", MECHANISMS)
@given(st.data())
@settings(max_examples=12, deadline=None)
def test_a_whitewasher_gets_no_fraud_cleared(mechanism: str, data: st.DataObject) -> None:
    """Fraud: all tests of one mechanism speak for it. The whitewasher leaves out what it likes and
    speaks against the rest."""
    truth = {n: (FOR if n in all_of(mechanism) else AGAINST)[n] for n in FOR}
    chosen = data.draw(st.sets(st.sampled_from(sorted(truth))))
    refuting = [
        said(n, mechanism, "exculpatory", refutes=f"C-{name}")
        for n, name in enumerate(sorted(data.draw(st.sets(st.sampled_from(sorted(truth))))))
    ]
    extra = [said(50 + n, mechanism, "exculpatory") for n in range(20)]
    verdict = verdict_of(docket_of([*found(sorted(chosen), truth), *refuting, *extra]))
    assert verdict.word != "not_supported"
    if verdict.word == "inconclusive":
        assert any(text.startswith(tuple(all_of(mechanism))) for text in verdict.missing)


def bent(**rules: str) -> Playbook:
    """The shipped playbook with other rules for the twins and signals of the first mechanism."""
    first, *rest = PLAYBOOK.mechanism
    parts: dict[str, Any] = {
        part: tuple(t.model_copy(update=rules) for t in getattr(first, part))
        for part in ("signal", "twin")
    }
    own = (first.model_copy(update=parts), *rest)
    made: Playbook = PLAYBOOK.model_copy(update={"mechanism": own, "sha256": "own"})
    return made


ALWAYS = bent(base="", rule="1 == 1", against="1 == 0")
NEVER = bent(base="", rule="1 == 0", against="1 == 1")
QUIET = [name for one in MECHANISMS[1:] for name in names_of(one, "signal")]


@pytest.mark.parametrize(
    ("own", "figures", "word"),
    [
        (ALWAYS, AGAINST, "allegation_supported"),
        (NEVER, FOR, "not_supported"),
    ],
)
def test_what_only_a_playbook_of_the_case_itself_decides_is_for_a_person(
    own: Playbook, figures: Any, word: str
) -> None:
    first = names_of(MECHANISMS[0], "signal", "twin")
    docket = docket_of([*found(SHARED), *found(first, figures), *found(QUIET, AGAINST)])
    by_own = verdict_of(replace(docket, playbook=own))
    assert by_own.word == word
    verdict = confirmed(by_own, verdict_of(docket))
    assert verdict.word == "needs_human"
    assert MECHANISMS[0] in verdict.reason


def test_a_playbook_of_the_case_itself_decides_what_the_shipped_one_does_too() -> None:
    docket = docket_of(found([*SHARED, *all_of(MECHANISMS[0])[len(SHARED) :]]))
    by_own = verdict_of(replace(docket, playbook=ALWAYS))
    assert confirmed(by_own, verdict_of(docket)).word == "allegation_supported"
    assert PLAYBOOK.model_copy(update={"sha256": "own"}).decides_as(PLAYBOOK)
    assert not ALWAYS.decides_as(PLAYBOOK)


def test_a_test_whose_roles_are_in_doubt_decides_nothing_and_names_them() -> None:
    docket = docket_of(found(all_of("click-flooding")))
    doubts = {"click-flooding/viral-post": "request.visitor could as well be t9.other"}
    verdict = verdict_of(replace(docket, doubts=doubts))
    assert verdict.word == "inconclusive"
    assert "request.visitor could as well be t9.other" in " ".join(verdict.missing)


def test_no_word_of_a_verdict_judges_a_person() -> None:
    assert not any(
        word in text.lower()
        for text in WORDS.values()
        for word in ("guilt", "fraud", "crim", "culprit", "cheat")
    )
