"""What the shell offers for a RUN or a question; answers nothing when there is no journal."""

from __future__ import annotations

import os
from contextlib import suppress

from orchestrator.errors import QuaestorError

NEWEST = 50


def complete_run(incomplete: str) -> list[tuple[str, str]]:
    """The newest runs that start so, with their tasks."""
    found = [("last", "the newest run")]
    with suppress(QuaestorError):
        from tasks.cli.opening import open_journal
        from tasks.history import summaries

        with open_journal(None, os.environ) as journal:
            found += [(item.run, item.task[:60]) for item in summaries(journal, NEWEST)]
    return [(run, task) for run, task in found if run.startswith(incomplete)]


def complete_question(incomplete: str) -> list[tuple[str, str]]:
    """The open questions."""
    with suppress(QuaestorError):
        from tasks.cli.opening import open_journal
        from tasks.questions import open_questions

        with open_journal(None, os.environ) as journal:
            found = [(item.id, item.question.text[:60]) for item in open_questions(journal)]
        return [(name, text) for name, text in found if name.startswith(incomplete)]
    return []
