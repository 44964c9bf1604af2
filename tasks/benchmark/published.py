"""Scores that others have published, in a dated file, and ours set beside one of them.

Two figures of different tasks, models or rules cannot be told apart by an interval alone: what
differs is always listed, and another split is refused unless it is asked for.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.models.llm import Frozen
from tasks.benchmark.intervals import Interval, unpaired, wilson
from tasks.benchmark.manifest import Manifest
from tasks.benchmark.measures import ByRule, Summary

FILE = Path(__file__).parent / "data" / "published.json"


class PublishedScore(Frozen):
    """One published figure. `levels` is [right, n] for each level where they are known."""

    name: str
    benchmark: str
    split: str
    n: int
    right: int | None = None
    score: float
    exact: float | None = None
    levels: dict[str, tuple[int, int]]
    scorer: str
    models: tuple[str, ...]
    repeats: int
    published: str
    source: str
    notes: tuple[str, ...] = ()


class PublishedFile(Frozen):
    """All of them, with the day on which they were collected."""

    dated: str
    scores: tuple[PublishedScore, ...]


class Beside(Frozen):
    """Ours and theirs on one line: `difference` is ours - theirs, as of unpaired samples."""

    name: str
    ours: Interval
    theirs: Interval
    difference: Interval


class AgainstPublished(Frozen):
    """The comparison, and everything that makes it weaker."""

    published: PublishedScore
    dated: str
    lines: tuple[Beside, ...]
    differs: tuple[str, ...]


@cache
def published() -> PublishedFile:
    """The file that ships with this version."""
    return PublishedFile.model_validate_json(FILE.read_text(encoding="utf-8"))


def published_score(name: str) -> PublishedScore:
    """A figure by name, or by an unmistakable start of it. Raises UsageError."""
    scores = published().scores
    found = [item for item in scores if item.name == name] or [
        item for item in scores if item.name.startswith(name)
    ]
    if len(found) != 1:
        known = ", ".join(item.name for item in scores)
        what = "fits several" if found else "is none"
        raise UsageError(f"{name!r} {what} of the published scores", fix=f"one of {known}")
    return found[0]


def against_published(
    manifest: Manifest, summary: Summary, theirs: PublishedScore, *, other_split: bool = False
) -> AgainstPublished:
    """Ours beside theirs. Raises UsageError for another benchmark, and for another split unless
    `other_split` says that it is meant."""
    if manifest.suite != theirs.benchmark:
        raise UsageError(f"the run is of {manifest.suite}, the figure of {theirs.benchmark}")
    if manifest.split != theirs.split and not other_split:
        raise UsageError(
            f"the run is of the {manifest.split or 'only'} split, the figure of {theirs.split}: "
            "these are other tasks",
            fix="compare all the same with --other-split",
        )
    ours = summary.also.get(theirs.scorer) or ByRule(
        share=summary.of_one_unit, levels=summary.levels
    )
    whole = wilson(theirs.score * theirs.n, theirs.n)
    lines = [_beside("all", ours.share, whole)]
    lines += [
        _beside(f"level {group.name}", group.share, wilson(*theirs.levels[group.name]))
        for group in ours.levels
        if group.name in theirs.levels
    ]
    return AgainstPublished(
        published=theirs,
        dated=published().dated,
        lines=tuple(lines),
        differs=tuple(_differences(manifest, summary, theirs)),
    )


def _beside(name: str, ours: Interval, theirs: Interval) -> Beside:
    return Beside(name=name, ours=ours, theirs=theirs, difference=unpaired(ours, theirs))


def _differences(manifest: Manifest, summary: Summary, theirs: PublishedScore) -> list[str]:
    system = summary.system
    models = tuple(dict.fromkeys(filter(None, (system.model, system.lead_model))))
    scored_by = manifest.also if theirs.scorer in manifest.also else manifest.scorers
    compared = [
        ("split", manifest.split or "none", theirs.split or "none"),
        ("tasks", str(len(manifest.tasks)), str(theirs.n)),
        ("models", ", ".join(models), ", ".join(theirs.models)),
        ("repeats", str(manifest.repeats), str(theirs.repeats)),
    ]
    found = [f"{name}: ours {ours}, theirs {them}" for name, ours, them in compared if ours != them]
    if theirs.scorer not in scored_by:
        found.append(f"scorer: ours {', '.join(scored_by)}, theirs {theirs.scorer}")
    if manifest.left_out:
        found.append(f"{manifest.left_out} tasks of the suite are left out of ours")
    apart = sum(summary.set_apart.values())
    if apart:
        found.append(f"{apart} of our units could not be judged or did not run: they count 0")
    found.append(f"theirs was published on {theirs.published}; pages of the web change")
    found.append("tools, prompts and limits differ and are not known in detail")
    return [*found, *(f"theirs: {note}" for note in theirs.notes)]
