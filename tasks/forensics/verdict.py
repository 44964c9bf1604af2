"""Computes the verdict from verified claims, the playbook and the intake. Pure; nobody writes it.

A mechanism is supported when every signal speaks for it, every innocent twin is ruled out, there
are peers to compare with, payments are joined, and sources are complete and independent. It is
cleared when every signal speaks against it, or a twin explains what was seen. Everything between
is open, with what is missing by name. The words say what evidence supports, never who is to blame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from orchestrator.models.llm import Frozen
from tasks.forensics.claims import Checked, Standing
from tasks.forensics.deciding import (
    Decided,
    Docket,
    Gap,
    decided,
    disputed_roles,
    independent,
)
from tasks.forensics.playbook import Mechanism

Word = Literal[
    "allegation_supported",
    "partly_supported",
    "not_supported",
    "inconclusive",
    "insufficient_evidence",
    "needs_human",
]
Band = Literal["low", "medium", "high"]
Said = Literal["ruled out", "explains it", "not decided"]
WORDS: Mapping[Word, str] = {
    "allegation_supported": "The evidence supports the allegation",
    "partly_supported": "The evidence supports part of the allegation",
    "not_supported": "The evidence does not support the allegation",
    "inconclusive": "The evidence has been examined and settles nothing yet",
    "insufficient_evidence": "There is not enough evidence to examine",
    "needs_human": "A person has to decide",
}
ACCUSING: frozenset[Word] = frozenset({"allegation_supported", "partly_supported"})
CLEARED: frozenset[Standing] = frozenset({"not_seen", "explained"})


class Twin(Frozen):
    """An innocent explanation, and the verified claims that decided it."""

    id: str
    asks: str
    said: Said
    claims: tuple[str, ...] = ()


class Finding(Frozen):
    """Where a mechanism stands: the claims it rests on, for it and against it, its innocent
    explanations, the independent exhibits behind it, and what is missing."""

    mechanism: str
    title: str
    standing: Standing
    missing: tuple[Gap, ...] = ()
    inculpatory: tuple[str, ...] = ()
    exculpatory: tuple[str, ...] = ()
    twins: tuple[Twin, ...] = ()
    exhibits: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[str, ...]:
        """Everything that it rests on."""
        return (*self.inculpatory, *self.exculpatory)


class Verdict(Frozen):
    """The word, why, and every mechanism."""

    word: Word
    reason: str
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    confidence: Band = "low"
    confidence_why: str = ""


def verdict_of(docket: Docket, stopped: str = "") -> Verdict:
    """The verdict. `stopped` is why the team came to no end, where a person has to look."""
    tests = decided(docket)
    findings = tuple(_finding(one, tests, docket) for one in docket.playbook.mechanism)
    word, reason = _word(findings, docket, stopped)
    band, why = _confidence(findings, docket)
    return Verdict(
        word=word,
        reason=reason,
        findings=findings,
        missing=tuple(_missing(findings)),
        confidence=band if word in ("allegation_supported", "partly_supported") else "low",
        confidence_why=why,
    )


def confirmed(own: Verdict, shipped: Verdict) -> Verdict:
    """A verdict by a playbook of the case's own, beside that of the shipped one over the same
    claims: what only the former supports, or clears, is for a person to decide."""
    if own.word in ACCUSING:
        known = {f.mechanism for f in shipped.findings if f.standing == "supported"}
        beyond = [
            f.mechanism
            for f in own.findings
            if f.standing == "supported" and f.mechanism not in known
        ]
    elif own.word == "not_supported":
        beyond = [f.mechanism for f in shipped.findings if f.standing not in CLEARED]
    else:
        return own
    if not beyond:
        return own
    reason = (
        f"the case's own playbook comes to {own.word}, and the shipped one to {shipped.word}; "
        f"they differ in {', '.join(beyond)}"
    )
    return own.model_copy(
        update={
            "word": "needs_human",
            "reason": reason,
            "missing": shipped.missing,
            "confidence": "low",
        }
    )


def _finding(mechanism: Mechanism, tests: Mapping[str, Decided], docket: Docket) -> Finding:
    signals = [tests[name] for name, part, _ in mechanism.tests() if part == "signal"]
    twins = [(tests[name], test) for name, part, test in mechanism.tests() if part == "twin"]
    own = [*signals, *(twin for twin, _ in twins)]
    standing = _standing([s.outcome for s in signals], [t.outcome for t, _ in twins])
    if standing == "untested" and any(one.claims for one in signals):
        standing = "undecided"
    common = _common(mechanism, own, tests, docket)
    if standing in ("supported", *CLEARED) and common:
        standing = "open"
    missing = [*(item.gap for item in own if item.gap), *common]
    for_it, against_it = _sides(mechanism, own, docket)
    return Finding(
        mechanism=mechanism.id,
        title=mechanism.title,
        standing=standing,
        missing=() if standing in ("supported", *CLEARED) else tuple(missing),
        inculpatory=for_it,
        exculpatory=against_it,
        twins=tuple(
            Twin(id=t.test, asks=test.asks, said=_said(t.outcome), claims=_ids(t.claims))
            for t, test in twins
        ),
        exhibits=independent(_sources(mechanism, own), docket.intake),
    )


def _standing(signals: Sequence[bool | None], twins: Sequence[bool | None]) -> Standing:
    """Signals that disagree settle nothing: one that is not seen does not take back another."""
    if all(outcome is False for outcome in signals):
        return "not_seen"
    if True not in signals:
        return "untested"
    if False in twins:
        return "explained"
    settled = all(outcome is True for outcome in (*signals, *twins))
    return "supported" if settled else "open"


def _said(outcome: bool | None) -> Said:
    if outcome is None:
        return "not decided"
    return "ruled out" if outcome else "explains it"


def _common(
    mechanism: Mechanism, own: Sequence[Decided], tests: Mapping[str, Decided], docket: Docket
) -> list[Gap]:
    """What any conclusion needs, and this one lacks."""
    shared = [tests[test.id] for test in docket.playbook.shared]
    gaps = [
        item.gap or Gap(test=item.test, why="its rule does not hold", needs="evidence")
        for item in shared
        if item.outcome is not True
    ]
    sources = independent(_sources(mechanism, own), docket.intake)
    wanted = docket.playbook.common.exhibits
    unrun = any(item.gap and item.gap.needs == "test" for item in own)
    if 0 < len(sources) < wanted and not unrun:
        why = f"{wanted} independent exhibits are needed, {len(sources)} are behind it"
        gaps.append(Gap(test=mechanism.id, why=why, needs="evidence"))
    items = [item for one in (*own, *shared) for item in one.claims]
    gaps += [
        Gap(test=mechanism.id, why=f"a role is disputed: {text}", needs="person")
        for text in disputed_roles(items)
    ]
    return gaps


def _sources(mechanism: Mechanism, own: Sequence[Decided]) -> set[str]:
    """Exhibits behind the signals that decide. Other claims add none: anything can be said of a
    further file."""
    signals = {f"{mechanism.id}/{test.id}" for test in mechanism.signal}
    return {
        name
        for one in own
        if one.test in signals and one.gap is None
        for item in one.claims
        for name in item.exhibits
    }


def _sides(
    mechanism: Mechanism, own: Sequence[Decided], docket: Docket
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What speaks for the mechanism and what against it, by claims. Innocent explanations of what
    was not seen speak for nobody."""
    twins = {f"{mechanism.id}/{test.id}" for test in mechanism.twin}
    if not any(one.outcome for one in own if one.test not in twins):
        own = [one for one in own if one.test not in twins]
    tested = {
        side: [i for one in own if one.outcome is side for i in one.claims]
        for side in (True, False)
    }
    free = [
        item
        for item in docket.checked
        if item.is_verified and not item.claim.test and item.claim.mechanism == mechanism.id
    ]
    for_it = [item for item in free if item.claim.polarity == "inculpatory"]
    against_it = [item for item in free if item.claim.polarity == "exculpatory"]
    return _ids([*tested[True], *for_it]), _ids([*tested[False], *against_it])


def _ids(items: Sequence[Checked]) -> tuple[str, ...]:
    return tuple(item.claim.id for item in items)


def _word(findings: Sequence[Finding], docket: Docket, stopped: str) -> tuple[Word, str]:
    if stopped:
        return "needs_human", stopped
    nothing = _nothing_to_examine(docket)
    if nothing:
        return "insufficient_evidence", nothing
    supported = [f.title for f in findings if f.standing == "supported"]
    unsettled = [f for f in findings if f.standing not in ("supported", *CLEARED)]
    half_open = [f.title for f in unsettled if f.standing == "open"]
    if supported and half_open:
        return "partly_supported", f"{'; '.join(supported)}. Not settled: {'; '.join(half_open)}"
    if supported:
        return "allegation_supported", "; ".join(supported)
    if not unsettled:
        return "not_supported", "every mechanism of the playbook was tested, and none stands"
    return _unsettled_word(unsettled)


def _nothing_to_examine(docket: Docket) -> str:
    if not any(entry.whole and table.rows for entry, table in docket.intake.tables()):
        return "no exhibit is complete and holds rows"
    if docket.subject and not docket.intake.subject:
        return f"{docket.subject} occurs in no table of the case"
    return ""


def _unsettled_word(unsettled: Sequence[Finding]) -> tuple[Word, str]:
    """Which of the words for an open end it is: who or what could close it."""
    names = ", ".join(finding.title for finding in unsettled)
    needs = [{gap.needs for gap in finding.missing} for finding in unsettled]
    seen = any(finding.standing == "open" for finding in unsettled)
    if all(kinds == {"person"} for kinds in needs):
        return "needs_human", f"what is left has to be decided by a person: {names}"
    if all("evidence" in kinds for kinds in needs) and not seen:
        return "insufficient_evidence", f"the evidence cannot settle: {names}"
    return "inconclusive", f"not settled: {names}"


def _missing(findings: Sequence[Finding]) -> list[str]:
    said = [
        f"{gap.test}: {gap.why}"
        for finding in findings
        if finding.standing not in ("supported", *CLEARED)
        for gap in finding.missing
    ]
    return list(dict.fromkeys(said))


def _confidence(findings: Sequence[Finding], docket: Docket) -> tuple[Band, str]:
    """By rule: independent sources, the share of claims that hold, and nothing verified that
    speaks against."""
    supported = [finding for finding in findings if finding.standing == "supported"]
    verified, made = sum(item.is_verified for item in docket.checked), len(docket.checked)
    sources = min((len(finding.exhibits) for finding in supported), default=0)
    contrary = sum(len(finding.exculpatory) for finding in supported)
    why = (
        f"{sources} independent exhibits behind each, {verified} of {made} claims verified, "
        f"{contrary} verified claims against"
    )
    share = verified / made if made else 0.0
    if not supported or share < 0.7:
        return "low", why
    return ("high" if sources >= 3 and share >= 0.9 and not contrary else "medium"), why
