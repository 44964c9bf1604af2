"""How often verdicts are right, measured on cases whose truth is known: shares with Wilson bounds.

Knows labels and verdicts, nothing of evidence. A share of few cases says so by its bounds, and what
was never measured is never called good.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.intervals import Interval, wilson
from tasks.forensics.reporting.content import CaseReport
from tasks.forensics.verdict import Word

Truth = Literal["supported", "not_supported"]
ACCUSING: frozenset[Word] = frozenset({"allegation_supported", "partly_supported"})
RIGHT: Mapping[Word, Truth] = {
    "allegation_supported": "supported",
    "partly_supported": "supported",
    "not_supported": "not_supported",
}
"""What has to be true for a verdict to be right; the others settle nothing, and are never right."""
MAX_LABELS = 100_000


class Label(Frozen):
    """What is known of a case, and of its mechanisms where it is known."""

    case_id: str
    truth: Truth
    mechanisms: tuple[str, ...] = ()


class Judged(Frozen):
    """What a run came to."""

    case_id: str
    word: Word
    mechanisms: tuple[str, ...] = ()


class Rated(Frozen):
    """How good a verdict or a mechanism is. `precision` is the share of cases given it that deserve
    it, `recall` the share of cases deserving it that were given it."""

    name: str
    given: int
    deserved: int
    right: int
    precision: Interval
    recall: Interval


class Agreement(Frozen):
    """Two runs over the same cases. `kappa` is agreement beyond chance (J. Cohen, 1960); None where
    chance alone would agree always."""

    cases: int
    same: Interval
    kappa: float | None
    differ: tuple[str, ...] = ()


class Calibration(Frozen):
    """Everything measured. `accused` is the share of innocent cases that were accused, `cleared`
    of true ones that were cleared; `unlabelled` and `unjudged` are cases that could not be
    compared."""

    cases: int
    words: tuple[Rated, ...]
    mechanisms: tuple[Rated, ...]
    accused: Interval
    innocent: int
    cleared: Interval
    true: int
    settled: Interval
    unlabelled: tuple[str, ...]
    unjudged: tuple[str, ...]
    agreement: Agreement | None = None


def read_labels(content: bytes, name: str) -> tuple[Label, ...]:
    """Labels from CSV: case_id, label (supported or not_supported) and, where it is known,
    mechanism (several with `;`). Raises UsageError that names every faulty line."""
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        rows = list(lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{name} is no CSV in UTF-8: {error}") from error
    lacking = [column for column in ("case_id", "label") if column not in (lines.fieldnames or ())]
    if lacking:
        raise UsageError(f"{name} has no column {' and '.join(lacking)}")
    if not rows or len(rows) > MAX_LABELS:
        raise UsageError(f"{name} holds {len(rows)} labels; 1 to {MAX_LABELS} are needed")
    faults = list(_faults(rows))
    if faults:
        raise UsageError(f"{name}: {'; '.join(faults[:20])}")
    return tuple(_label(row) for row in rows)


def _faults(rows: Sequence[Mapping[str, str]]) -> Iterable[str]:
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        case, label = (row.get("case_id") or "").strip(), (row.get("label") or "").strip()
        if not case:
            yield f"line {line}: case_id is empty"
        elif case in seen:
            yield f"line {line}: {case} is labelled in line {seen[case]} already"
        seen.setdefault(case, line)
        if label not in get_args(Truth):
            yield f"line {line}: label {label!r} has to be {' or '.join(get_args(Truth))}"


def _label(row: Mapping[str, str]) -> Label:
    named = (row.get("mechanism") or "").replace(",", ";").split(";")
    return Label.model_validate(
        {
            "case_id": row["case_id"].strip(),
            "truth": row["label"].strip(),
            "mechanisms": tuple(sorted({name.strip() for name in named if name.strip()})),
        }
    )


def judged_in(results: Path) -> tuple[Judged, ...]:
    """The verdicts of a results folder, by case. Raises UsageError when there are none."""
    places = sorted(results.glob("cases/*/report.json"))
    if not places:
        raise UsageError(
            f"{results} holds no report of a case", fix="quaestor forensics run BATCH, then this"
        )
    return tuple(_judged(place) for place in places)


def _judged(place: Path) -> Judged:
    try:
        report = CaseReport.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{place} cannot be used: {str(error).splitlines()[0]}") from error
    supported = (f.mechanism for f in report.verdict.findings if f.standing == "supported")
    return Judged(
        case_id=report.case_id, word=report.verdict.word, mechanisms=tuple(sorted(supported))
    )


def measured(
    labels: Sequence[Label], judged: Sequence[Judged], second: Sequence[Judged] = ()
) -> Calibration:
    """How verdicts compare with labels, and with those of a second run if there was one."""
    known = {label.case_id: label for label in labels}
    found = {one.case_id: one for one in judged}
    pairs = [(known[name], found[name]) for name in sorted(known.keys() & found.keys())]
    innocent = [one for label, one in pairs if label.truth == "not_supported"]
    true = [one for label, one in pairs if label.truth == "supported"]
    return Calibration(
        cases=len(pairs),
        words=tuple(_word(word, truth, pairs) for word, truth in RIGHT.items()),
        mechanisms=tuple(_mechanisms(pairs)),
        accused=wilson(sum(one.word in ACCUSING for one in innocent), len(innocent)),
        innocent=len(innocent),
        cleared=wilson(sum(one.word == "not_supported" for one in true), len(true)),
        true=len(true),
        settled=wilson(sum(one.word in RIGHT for _, one in pairs), len(pairs)),
        unlabelled=tuple(sorted(found.keys() - known.keys())),
        unjudged=tuple(sorted(known.keys() - found.keys())),
        agreement=agreement(judged, second) if second else None,
    )


def _word(word: Word, truth: Truth, pairs: Sequence[tuple[Label, Judged]]) -> Rated:
    given = {one.case_id for _, one in pairs if one.word == word}
    deserved = {label.case_id for label, _ in pairs if label.truth == truth}
    return _rated(word, given, deserved)


def _mechanisms(pairs: Sequence[tuple[Label, Judged]]) -> Iterable[Rated]:
    """Over cases whose mechanisms are known: those labelled with one, and innocent ones."""
    sure = [(a, b) for a, b in pairs if a.mechanisms or a.truth == "not_supported"]
    names = {name for label, one in sure for name in (*label.mechanisms, *one.mechanisms)}
    for name in sorted(names):
        given = {one.case_id for _, one in sure if name in one.mechanisms}
        deserved = {label.case_id for label, _ in sure if name in label.mechanisms}
        yield _rated(name, given, deserved)


def _rated(name: str, given: set[str], deserved: set[str]) -> Rated:
    right = len(given & deserved)
    return Rated(
        name=name,
        given=len(given),
        deserved=len(deserved),
        right=right,
        precision=wilson(right, len(given)),
        recall=wilson(right, len(deserved)),
    )


def agreement(first: Sequence[Judged], second: Sequence[Judged]) -> Agreement:
    """How often two independent runs came to the same word."""
    one, other = ({j.case_id: j.word for j in run} for run in (first, second))
    both = sorted(one.keys() & other.keys())
    same = sum(one[name] == other[name] for name in both)
    counts = Counter(one[name] for name in both), Counter(other[name] for name in both)
    chance = sum(counts[0][word] * counts[1][word] for word in counts[0]) / max(1, len(both)) ** 2
    share = same / len(both) if both else 0.0
    return Agreement(
        cases=len(both),
        same=wilson(same, len(both)),
        kappa=None if not both or math.isclose(chance, 1.0) else (share - chance) / (1 - chance),
        differ=tuple(name for name in both if one[name] != other[name]),
    )


def bound_of(calibration: Calibration) -> str:
    """What may be said of the verdicts beside them: one sentence for the page of a batch."""
    rated = next(word for word in calibration.words if word.name == "allegation_supported")
    return (
        f"Measured on {calibration.cases} labelled cases (95 % Wilson bounds): "
        f"{rated.right} of {rated.given} supported allegations were right, at least "
        f"{rated.precision.low:.0%}; of {calibration.innocent} innocent cases at most "
        f"{calibration.accused.high:.0%} are accused; of {calibration.true} true ones at most "
        f"{calibration.cleared.high:.0%} are cleared."
    )


def lines_of(calibration: Calibration) -> list[str]:
    """What a person is told."""
    said = [bound_of(calibration), f"settled: {_share(calibration.settled)}"]
    for rated in (*calibration.words, *calibration.mechanisms):
        said.append(
            f"{rated.name}: given {rated.given}, deserved {rated.deserved}, right {rated.right}; "
            f"precision {_share(rated.precision)}, recall {_share(rated.recall)}"
        )
    if calibration.agreement is not None:
        found = calibration.agreement
        kappa = "unknown" if found.kappa is None else f"{found.kappa:.2f}"
        said.append(f"two runs over {found.cases} cases agree: {_share(found.same)}, kappa {kappa}")
        said += [f"  they differ on {name}" for name in found.differ[:50]]
    for names, why in ((calibration.unjudged, "no verdict"), (calibration.unlabelled, "no label")):
        if names:
            said.append(f"left out, {why}: {', '.join(names[:20])} ({len(names)} in all)")
    return said


def _share(interval: Interval) -> str:
    return f"{interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%})"


def blind_sample(cases: Sequence[str], share: float, seed: int) -> tuple[str, ...]:
    """Cases for a person to judge without seeing the verdict: at least one, the same for the same
    seed whatever the order, and a larger share holds the smaller one. Raises UsageError."""
    if not cases or not 0 < share <= 1:
        raise UsageError("a sample needs cases, and a share above 0 % and up to 100 %")
    drawn = sorted(set(cases), key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    return tuple(drawn[: math.ceil(share * len(drawn))])
