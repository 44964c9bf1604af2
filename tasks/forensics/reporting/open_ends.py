"""What a report says beside its facts: gaps, attempts to give orders, what would change the
conclusion, and what to ask the subject. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sandbox.inside.forensics.profile import ORDERS
from tasks.forensics.claims import Looked
from tasks.forensics.custody import Custody
from tasks.forensics.intake import Intake
from tasks.forensics.verdict import Verdict

ORDER_CHARS = 200


def injections(intake: Intake) -> Iterator[str]:
    """What in the evidence reads like an order."""
    for order in intake.attempts():
        yield f"{order.where}: {order.text}"


def orders_of(looked: Iterable[Looked]) -> Iterator[str]:
    """Lines of pages that were looked up and speak to whoever reads them."""
    for page in looked:
        for line in page.text.splitlines():
            if ORDERS.search(line):
                yield f"{page.id} ({page.url}): {line.strip()[:ORDER_CHARS]}"


def gaps(custody: Custody, intake: Intake) -> Iterator[str]:
    """What was received and not read as a whole, what was left out, and what is not sure."""
    for entry in intake.exhibits:
        said = "; ".join((*entry.flaws, *entry.notes))
        if not entry.whole:
            yield f"{entry.id} {entry.path} is not complete{': ' if said else ''}{said}"
        elif said:
            yield f"{entry.id} {entry.path}: {said}"
    yield from (f"{item.path} was left out: {item.why}" for item in custody.left_out)
    yield from intake.doubts()


def would_change(verdict: Verdict, tests: Mapping[str, str]) -> Iterator[str]:
    """What would make it another verdict: an open gap that closes, a twin that turns out true."""
    for text in verdict.missing:
        test, _, why = text.partition(": ")
        yield f"{tests[test]} ({test}: {why})" if test in tests else text
    for finding in verdict.findings:
        if finding.standing == "supported":
            yield from (f"Another answer to: {twin.asks} ({twin.id})" for twin in finding.twins)


def questions(verdict: Verdict, first: Mapping[str, str]) -> Iterator[str]:
    """What to ask the subject: it has not been heard, and may know of an innocent reason."""
    for finding in verdict.findings:
        if finding.standing in ("supported", "open"):
            claims = dict.fromkeys(first.get(name, name) for name in finding.inculpatory)
            listed = ", ".join(list(claims)[:6])
            shown = f"claims {listed} show" if listed else "this report shows"
            yield f"{finding.title}: how do you explain what {shown}?"
            yield from (twin.asks for twin in finding.twins if twin.said != "explains it")
