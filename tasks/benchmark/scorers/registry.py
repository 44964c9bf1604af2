"""Every scorer by its name. To add a rule, write its module and one line here.

A name never changes its meaning: another rule gets another name. `humaneval/functional` is not
among the pure ones, since it has to run code: see `humaneval.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps

from orchestrator.errors import UsageError
from tasks.benchmark.scorers import assistantbench, gaia, graded, plain, webarena
from tasks.benchmark.scorers.score import Json, Score, unjudged

PureScorer = Callable[[Json, Json], Score]


def guarded(rule: PureScorer) -> PureScorer:
    """The rule, which gives a score whatever it is handed."""

    @wraps(rule)
    def scored(prediction: Json, gold: Json) -> Score:
        try:
            return rule(prediction, gold)
        except Exception as error:  # noqa: BLE001 - one odd pair must not end the scoring of others
            return unjudged(f"the rule failed: {type(error).__name__}")

    return scored


_RULES: Mapping[str, PureScorer] = {
    "gaia/2023": gaia.score_2023,
    "gaia/magentic-one": gaia.score_magentic_one,
    "assistantbench/official": assistantbench.score_official,
    "assistantbench/log10": assistantbench.score_log10,
    "webarena/string": webarena.score_string,
    "webarena/url": webarena.score_url,
    "simpleqa/graded": graded.score_graded,
    "exact": plain.score_exact,
    "contains": plain.score_contains,
    "number": plain.score_number,
}
PURE: Mapping[str, PureScorer] = {name: guarded(rule) for name, rule in _RULES.items()}
FUNCTIONAL = "humaneval/functional"
JUDGED = frozenset({"simpleqa/graded", "webarena/string"})
"""Rules that may ask a model; of the second only the fuzzy checks do."""
NAMES = (*PURE, FUNCTIONAL)


def check_name(name: str) -> str:
    """The name, or a UsageError that lists the known ones."""
    if name not in NAMES:
        raise UsageError(f"there is no scorer {name!r}", fix=f"one of {', '.join(NAMES)}")
    return name
