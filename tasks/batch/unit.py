"""What the process of a unit does: open Quaestor, begin its work or go on with it, and leave.

Whatever it finds out is in the journal; its exit code only says whether it got that far.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from orchestrator.errors import NotReady, QuaestorError
from orchestrator.settings import Settings
from tasks import api
from tasks.batch.gates import open_gates
from tasks.batch.measuring import seen_of
from tasks.batch.port import Order
from tasks.batch.rules import NOT_READY_CODE

REFUSED = 2


def carry_out(order: Order) -> int:
    """Carry out an order; 0 when its end is written down."""
    try:
        asyncio.run(_work_on(order))
    except NotReady as missing:
        return _told(missing, NOT_READY_CODE)
    except QuaestorError as error:
        return _told(error, REFUSED)
    return 0


async def _work_on(order: Order) -> None:
    settings = Settings.model_validate(order.settings)
    async with (
        open_gates(settings.home, settings.journal_url) as gate_of,
        api.open(settings, gate_of=gate_of) as quaestor,
    ):
        if order.job == "case":
            from tasks.forensics.unit import work_on_case

            await work_on_case(quaestor, order)
        else:
            await _work_on_task(quaestor, order)


async def _work_on_task(quaestor: api.Quaestor, order: Order) -> None:
    """Begin the order's run, or go on with it when it was begun before."""
    records = quaestor.journal.read(order.run)
    if seen_of(records, order.head).ended is not None:
        return
    if any(record.kind == "TaskReceived" for record in records):
        await quaestor.resume(order.run)
        return
    attached = [Path(item.path) for item in order.attachments]
    await quaestor.run(order.task, attached, run=order.run)


def _told(error: QuaestorError, code: int) -> int:
    sys.stderr.write(f"{error.message} {error.fix or ''}\n")
    return code
