"""Shows what the doctor finds, and with `--fix` repairs it first."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

from tasks.cli.exits import ANSWERED, NOT_READY
from tasks.cli.opening import home_of
from tasks.cli.streams import Streams, clean
from tasks.configuration import journal_url
from tasks.doctor import Finding, Subject, examine, judged
from tasks.setup import commands, may_change, set_up


def examine_machine(home: Path | None, streams: Streams, *, fix: bool, as_json: bool) -> int:
    """One line per finding; exit code 5 when something failed."""
    subject = Subject(home_of(home, os.environ), journal_url(os.environ), os.environ)
    findings = asyncio.run(_examine(subject, streams, as_json=as_json))
    needs = [finding.needs for finding in findings if finding.needs]
    if fix and needs:
        if not may_change(os.environ):
            streams.err.line("these commands would repair it (QUAESTOR_SETUP=1 as root does so):")
            for command in commands(needs):
                streams.err.line(f"  {command}")
        else:
            asyncio.run(set_up(needs, subject.home, lambda text: streams.err.line(clean(text))))
            findings = asyncio.run(_examine(subject, streams, as_json=as_json))
    failed = [finding for finding in findings if finding.status == "fail"]
    if not failed:
        streams.err.line("all is ready. First run: quaestor run --demo")
    return NOT_READY if failed else ANSWERED


async def _examine(subject: Subject, streams: Streams, *, as_json: bool) -> list[Finding]:
    findings: list[Finding] = []
    async for finding in examine(subject):
        findings.append(finding)
        _write(finding, streams, as_json=as_json)
    added = judged(findings)[len(findings) :]
    for finding in added:
        _write(finding, streams, as_json=as_json)
    return [*findings, *added]


def _write(finding: Finding, streams: Streams, *, as_json: bool) -> None:
    if as_json:
        streams.records.write({**asdict(finding)})
        return
    streams.out.line(f"{finding.status:<4} {finding.name:<18} {clean(finding.value)}")
    if finding.fix and finding.status != "ok":
        streams.out.line(f"       fix: {clean(finding.fix)}")
