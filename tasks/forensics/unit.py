"""What the process of a case does, as a unit of a batch. All that it needs is in its order."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.models.llm import LLM, Frozen
from tasks.api import Quaestor
from tasks.batch.port import Order
from tasks.forensics.batch_file import Batch
from tasks.forensics.manifest import Case
from tasks.forensics.running import Work, work_on


class CaseOrder(Frozen):
    """A case with the manifest that it stands in and the folder that its results go to."""

    manifest: Path
    results: Path
    case: Case


async def work_on_case(quaestor: Quaestor, order: Order) -> None:
    """Work on the case of an order; what became of it is in its folder. Raises NotReady."""
    ordered = CaseOrder.model_validate_json(order.task)
    batch = Batch(ordered.manifest, ordered.manifest.parent, (ordered.case,))
    work = Work(quaestor, batch, ordered.results, _model(quaestor), _say)
    await work_on(work, ordered.case, order.run)


def _model(quaestor: Quaestor) -> LLM | None:
    if not quaestor.settings.demo:
        return None
    from tasks.forensics.scripted import scripted_team

    return scripted_team()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
