"""A team that the scripted model plays: lead, Examiner, Skeptic and Writer, by reading what they
are shown.

It asks the profile which column is what, by the values and by how tables hang together, never by a
name. It is labelled for what it is; a language model sees more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.agent import Json
from orchestrator.models.llm import Completion, Request
from orchestrator.models.scripted import Policy, ScriptedModel
from tasks.demo.reading import Step, prompt_of, section, steps, told
from tasks.demo.speaking import calls, decision, no_way_on, report
from tasks.forensics.scripted_roles import read_exhibits, roles_of

CLAIM = re.compile(r"^(C[\d.]+) \[(\w+)( test [^;]*)?; cites ([^\]]*)\]: (.*)$", re.MULTILINE)
MADE = re.compile(r"\b(C\d+\.\d+\.\d+)\b")
ORDER = re.compile(
    r"^note: (e\d+(?:_\d+)?)\w* line (\d+)(?: \([^\n]*\))?, column .* reads like an order",
    re.MULTILINE,
)
NAMED = re.compile(r"^subject named in (E[\d.]+): \d+ lines \((\d+)", re.MULTILINE)
COUNTED = re.compile(r"^(Q[0-9A-F]{6})\n[^\n]+\n(.+?) \| (\d+) \| (\d+)$", re.MULTILINE)
NAME = "scripted forensics team"


def scripted_team() -> ScriptedModel:
    """The model behind `quaestor forensics run --demo`."""
    return ScriptedModel(policy, NAME)


def policy(request: Request) -> Completion | str:
    """The reply of whoever is asked."""
    system = request.messages[0].content
    for words, player in PLAYERS.items():
        if words in system:
            return player(request)
    return report(request, "failed", "the scripted team does not know this part")


def lead(request: Request, orders: Mapping[str, str] | None = None) -> str:
    """Examiner, then Skeptic, then Writer, then the end; `orders` are what each is told."""
    said = [message.content for message in request.messages if message.role == "user"]
    if "How a case is worked on" not in said[0]:
        return no_way_on("the scripted team works on cases only; name a language model")
    reports = {item.agent: item for item in told(said)}
    for agent, words in (orders or ORDERS).items():
        if agent not in reports:
            work: Json = {"id": agent.lower(), "agent": agent, "instruction": words}
            return decision(assignments=[work])
        if reports[agent].status != "done":
            return no_way_on(f"the {agent} came to no result: {reports[agent].text[:300]}")
    written = reports["Writer"]
    return decision(request_satisfied=True, answer=written.text, citations=[])


ORDERS = {
    "Examiner": "Examine the evidence, run the tests of the playbook, and make claims.",
    "Skeptic": "Look at every claim with fresh eyes.",
    "Writer": "Write the summary from the verified claims.",
}


def examiner(request: Request) -> Completion:
    """Exhibits, roles, tests, a count of its own with a plot, then what reads like an order."""
    done = steps(request)
    if not done:
        return calls(request, ("exhibits", {}))
    exhibits = read_exhibits(done[0].body)
    roles = roles_of(exhibits)
    used = [step.tool for step in done]
    if "roles" not in used:
        return calls(request, ("roles", {"columns": roles}))
    if "tests" not in used:
        return calls(request, ("tests", {"names": []}))
    counting = _counting(roles, exhibits.subject_value(done[0].body))
    if "sql" not in used and counting:
        return calls(request, ("sql", {"query": counting}))
    if "plot" not in used and counting:
        drawn = {"query": counting, "kind": "bar", "title": "Hits on tracking links by partner"}
        return calls(request, ("plot", drawn))
    if "claim" not in used:
        wanted = _own_claims(done)
        if wanted:
            return calls(request, *wanted)
    made = sorted({name for step in done for name in MADE.findall(step.body)})
    summary = f"{len(made)} claims were made." if made else "No claim could be made."
    return report(request, "done", summary, [s.evidence for s in done[-1:] if s.evidence])


def _counting(roles: dict[str, str], _subject: str) -> str:
    """How many hits each partner has, and from how many addresses."""
    if not {"click.partner", "click.ip"} <= set(roles):
        return ""
    table, _, partner = roles["click.partner"].partition(".")
    address = roles["click.ip"].partition(".")[2]
    return (
        f'SELECT "{partner}" AS partner, count(*) AS hits, '  # noqa: S608 - a query of the lab
        f'count(DISTINCT "{address}") AS addresses '
        f"FROM {table} GROUP BY 1 ORDER BY hits DESC"
    )


def _own_claims(done: list[Step]) -> list[tuple[str, dict[str, Json]]]:
    """The busiest partner as the query has shown it, each line that reads like an order, and where
    documents first name the subject."""
    wanted: list[tuple[str, dict[str, Json]]] = []
    shown = next((step.body for step in done if step.tool == "sql"), "")
    counted = COUNTED.search(shown)
    if counted:
        text = f"{counted[2]} has {counted[3]} hits from {counted[4]} addresses."
        wanted.append(("claim", {"text": text, "cites": [counted[1]]}))
    for table, line in ORDER.findall(done[0].body)[:3]:
        exhibit = table.upper().replace("_", ".")
        text = f"Line {line} of {exhibit} reads like an order to whoever examines it."
        wanted.append(("claim", {"text": text, "cites": [f"{exhibit}:{line}"]}))
    for exhibit, line in NAMED.findall(done[0].body)[:5]:
        text = f"Line {line} of {exhibit} names the subject of the case."
        wanted.append(("claim", {"text": text, "cites": [f"{exhibit}:{line}"]}))
    return wanted


def skeptic(request: Request) -> Completion:
    """The same tests with roles that it has found itself, then every claim is reviewed."""
    done = steps(request)
    brief = prompt_of(request)
    used = [step.tool for step in done]
    if "roles" not in used:
        return calls(request, ("roles", {"columns": roles_of(read_exhibits(brief))}))
    if "tests" not in used:
        return calls(request, ("tests", {"names": []}))
    claims = [found[0] for found in CLAIM.findall(brief)]
    if "reviewed" not in used and claims:
        return calls(request, ("reviewed", {"claims": claims}))
    return report(request, "done", f"{len(claims)} claims were reviewed.")


def writer(request: Request) -> Completion:
    """A sentence for each verified claim whose test decides something, those for it first, and for
    what no test says."""
    done = steps(request)
    claims = CLAIM.findall(section(prompt_of(request), "brief") or prompt_of(request))
    first: dict[str, tuple[str, str]] = {}
    for outcome in (" outcome yes", " outcome no", ""):
        for name, _, test, _, text in claims:
            if test.endswith(outcome) and (outcome or not test):
                first.setdefault(test or name, (name, text))
    if not first:
        return report(request, "done", "There is no verified claim to write about.")
    if not done:
        sentences: list[Json] = [
            {"text": text, "claims": [name]} for name, text in list(first.values())[:30]
        ]
        return calls(request, ("write", {"sentences": sentences}))
    return report(request, "done", done[-1].body.strip(), [done[-1].evidence or ""])


PLAYERS: dict[str, Policy] = {
    "You lead a small team": lead,
    "You are the Examiner": examiner,
    "You are the Skeptic": skeptic,
    "You are the Writer": writer,
}
