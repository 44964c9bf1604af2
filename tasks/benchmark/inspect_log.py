"""Writes a benchmark run as logs that Inspect reads: one per system, without Inspect itself.

The format is a zip of JSON files (a header, summaries, one file per sample), read by the library,
shown by the viewer and scored again by `inspect score`. Holds gold: keep it with the suite.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from orchestrator.journal import Record
from orchestrator.models.llm import Usage
from tasks.benchmark.cases import Case
from tasks.benchmark.intervals import standard_error
from tasks.benchmark.manifest import System
from tasks.benchmark.outcomes import class_of, failures_of
from tasks.benchmark.results import Results
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.scorers.score import text_of

VERSION = 2
PROVIDER = "none"
"""Inspect's provider that needs no key: a log can be scored again without the vendor's package."""
SHOWN = frozenset({"LeadReplied", "WorkAssigned", "Reported", "Replanned", "VoteCast",
                   "LoopDetected", "QuestionAnswered", "RunEnded"})  # fmt: skip
"""Events that become cards of the transcript."""
LEDGER = "orchestrator/ledger"

Read = Callable[[str], Sequence[Record]]
Json = dict[str, Any]


def write_logs(results: Results, cases: Mapping[str, Case], read: Read, folder: Path) -> list[Path]:
    """One `.eval` file per system; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(results, system, cases, read, folder) for system in results.manifest.systems]


def _write(
    results: Results, system: System, cases: Mapping[str, Case], read: Read, folder: Path
) -> Path:
    manifest = results.manifest
    rows = [row for row in results.of(system) if row.ended != "not_run"]
    stamp = re.sub(r"[^0-9TZ]+", "-", manifest.created or "undated")
    name = re.sub(r"[^\w.-]+", "-", f"{manifest.suite}-{system.name}")
    file = folder / f"{stamp}_{name}_{manifest.run or 'run'}.eval"
    start = {"version": VERSION, "eval": _spec(results, system, cases), "plan": _plan()}
    usage = _usages(rows)
    ends = [_sample_times(row, read(row.run) if row.run else ()) for row in rows]
    header = {
        **start,
        "status": "success",
        "results": _results(results, system, cases, len(rows)),
        "stats": {
            "started_at": min((began for began, _ in ends), default=_when(manifest.created)),
            "completed_at": max((ended for _, ended in ends), default=_when(manifest.created)),
            "model_usage": usage,
        },
    }
    summaries = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("_journal/start.json", json.dumps(start))
        for row in rows:
            sample = _sample(row, system, cases[row.task], read(row.run) if row.run else ())
            log.writestr(f"samples/{row.task}_epoch_{row.repeat}.json", json.dumps(sample))
            summaries.append(_summary(sample))
        log.writestr("summaries.json", json.dumps(summaries))
        log.writestr("header.json", json.dumps(header))
    return file


def _spec(results: Results, system: System, cases: Mapping[str, Case]) -> Json:
    manifest = results.manifest
    split = f" ({manifest.split})" if manifest.split else ""
    return {
        "eval_id": f"{manifest.run}-{system.name}",
        "run_id": manifest.run,
        "created": _when(manifest.created),
        "task": f"{manifest.suite}{split}",
        "task_id": manifest.suite_sha256[:22],
        "task_version": manifest.suite_sha256[:16],
        "solver": "quaestor",
        "dataset": {
            "name": manifest.suite,
            "samples": len(cases),
            "sample_ids": list(manifest.tasks),
            "shuffled": False,
        },
        "model": f"{PROVIDER}/{system.model}",
        "config": {"epochs": manifest.repeats},
        "packages": dict(manifest.versions),
        "metadata": {
            "manifest_sha256": manifest.sha256(),
            "planned": len(manifest.tasks) * manifest.repeats,
            "search": system.search,
            "prompts": system.prompts,
        },
    }


def _plan() -> Json:
    return {"name": "quaestor", "steps": [{"solver": "quaestor", "params": {}}]}


def _results(results: Results, system: System, cases: Mapping[str, Case], finished: int) -> Json:
    """The figures of each rule over all planned units that it judges, as our report has them."""
    rows = results.of(system)
    by_rule = {
        name: [row for row in rows if cases[row.task].scorer == name]
        for name in results.manifest.scorers
    }
    scores = [_figures(name, chosen, _own_value) for name, chosen in by_rule.items()]
    scores += [
        _figures(name, rows, lambda row, name=name: row.also.get(name, 0.0))  # type: ignore[misc]
        for name in results.manifest.also
    ]
    return {"total_samples": len(rows), "completed_samples": finished, "scores": scores}


def _figures(name: str, rows: Sequence[UnitResult], value: Callable[[UnitResult], float]) -> Json:
    by_task: dict[str, list[float]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(value(row))
    means = [fmean(values) for values in by_task.values()]
    metrics = {
        "mean": {"name": "mean", "value": fmean(means) if means else 0.0},
        "stderr": {"name": "stderr", "value": standard_error(means) or 0.0},
    }
    return {"name": name, "scorer": name, "scored_samples": len(rows), "metrics": metrics}


def _own_value(row: UnitResult) -> float:
    return row.value


def _sample(row: UnitResult, system: System, case: Case, records: Sequence[Record]) -> Json:
    began, ended = _sample_times(row, records)
    answer = row.answer or ""
    model = f"{PROVIDER}/{system.model}"
    message = {"role": "assistant", "content": answer, "source": "generate", "model": model}
    choice = {"message": message, "stop_reason": "stop"}
    sample: Json = {
        "id": row.task,
        "epoch": row.repeat,
        "input": case.task,
        "target": "" if case.gold is None else text_of(case.gold),
        "files": [item.name for item in case.attachments] or None,
        "messages": [{"role": "user", "content": case.task, "source": "input"}, message],
        "output": {"model": model, "choices": [choice], "completion": answer},
        "scores": _scores(row, case),
        "metadata": _about(row),
        "store": {},
        "events": list(_events(records)),
        "model_usage": _usages([row]),
        "started_at": began,
        "completed_at": ended,
        "total_time": row.times.attempts or row.times.wall,
        "working_time": row.times.model + row.times.tool,
        "uuid": row.unit,
        "attachments": {},
    }
    if row.ended in ("crashed", "failed", "infra"):
        sample["error"] = {"message": row.reason, "traceback": "", "traceback_ansi": ""}
    return sample


def _scores(row: UnitResult, case: Case) -> Json:
    if row.score is None:
        return {}
    detail = {"kind": row.score.kind, "class": class_of(row), **row.score.detail}
    found = {case.scorer: _score(row.score.score, row, row.score.why, detail)}
    return found | {name: _score(value, row, "", {}) for name, value in row.also.items()}


def _score(value: float, row: UnitResult, why: str, detail: Json) -> Json:
    return {"value": value, "answer": row.answer, "explanation": why, "metadata": detail}


def _about(row: UnitResult) -> Json:
    return {
        "class": class_of(row),
        "failures": list(failures_of(row)),
        "failed_agent": row.failed_agent,
        "failed_step": row.failed_step,
        "level": row.level,
        "tags": list(row.tags),
        "ended": row.ended,
        "rounds": row.rounds,
        "attempts": row.attempts,
        "signals": dict(row.signals),
        "run": row.run,
    }


def _events(records: Sequence[Record]) -> Iterator[Json]:
    """The ledger's changes and what agents reported, as cards of the transcript."""
    start = _moment(records[0].time) if records else None
    for record in records:
        if record.kind not in SHOWN or record.body is None or start is None:
            continue
        yield {
            "event": "info",
            "uuid": f"{record.run}-{record.seq}",
            "timestamp": _when(record.time),
            "working_start": (_moment(record.time) - start).total_seconds(),
            "source": f"{LEDGER}/{record.kind}" if record.kind == "LeadReplied" else record.kind,
            "data": {"key": record.key, **record.body},
        }


def _summary(sample: Json) -> Json:
    """What a list of samples shows; long texts are cut, as Inspect does."""
    kept = ("id", "epoch", "model_usage", "started_at", "completed_at", "total_time",
            "working_time", "uuid")  # fmt: skip
    return {
        **{name: sample[name] for name in kept},
        "input": sample["input"][:1000],
        "target": sample["target"][:1000],
        "scores": sample["scores"],
        "metadata": {
            name: value for name, value in sample["metadata"].items() if not isinstance(value, dict)
        },
        "error": sample["error"]["message"] if "error" in sample else None,
        "completed": True,
        "message_count": len(sample["messages"]),
    }


def _usages(rows: Sequence[UnitResult]) -> Json:
    by_model: dict[str, Usage] = {}
    for row in rows:
        for item in row.spent:
            name = f"{PROVIDER}/{item.model}"
            by_model[name] = by_model.get(name, Usage()) + item.usage
    return {
        name: {
            "input_tokens": usage.prompt_tokens - usage.cached_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "input_tokens_cache_read": usage.cached_tokens,
            "total_cost": None if usage.usd_micros is None else usage.usd_micros / 1e6,
        }
        for name, usage in by_model.items()
    }


def _sample_times(row: UnitResult, records: Sequence[Record]) -> tuple[str, str]:
    if records:
        return _when(records[0].time), _when(records[-1].time)
    now = datetime(1970, 1, 1, tzinfo=UTC)
    return _iso(now), _iso(now + timedelta(seconds=row.times.wall))


def _when(text: str) -> str:
    return _iso(_moment(text) if text else datetime(1970, 1, 1, tzinfo=UTC))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
