"""Teams that want a verdict: scripted parts that read what they are shown, choose what suits them,
and say nothing untrue. They go through the real run, lab, verifier, verdict and report."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from forensics_world import Form, World, shaped, write
from sandbox_bench import settings as box

from orchestrator.agent import Json
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request
from orchestrator.models.scripted import Policy, ScriptedModel
from orchestrator.settings import BoxSettings, Settings
from tasks import api
from tasks.demo.reading import prompt_of, steps
from tasks.demo.speaking import calls, no_way_on, report
from tasks.forensics import scripted
from tasks.forensics.board import Board
from tasks.forensics.concluding import Conclusion, conclude, told_by
from tasks.forensics.custody import Custody, take
from tasks.forensics.intake import Place
from tasks.forensics.lab import Lab, open_lab
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import SHIPPED, load_playbook
from tasks.forensics.running import enlisted
from tasks.forensics.scripted_roles import read_exhibits, roles_of
from tasks.forensics.showing import task_text

Roles = dict[str, str]
Names = Sequence[tuple[str, str]]
TEST = re.compile(r"^- (\S+) \((signal|twin|shared)\)", re.MULTILINE)
SUBJECT = re.compile(r"^Subject: (.+?)\. Period", re.MULTILINE)
TOLD = re.compile(r"About (\S+): (.*)$", re.MULTILINE)
REFUSED = re.compile(r"(\w+\.\w+) = ")
COUNT = re.compile(r"^(Q[0-9A-F]{6})\n[^\n]*\n(\d+)$", re.MULTILINE)
CLAIMED = scripted.CLAIM
PERIOD = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC))


@dataclass(frozen=True)
class Team:
    """What a team wants and how it goes about it. `picks` chooses among the tests that the task
    names, `casts` changes the roles, `counts` makes queries over them, each of which becomes a
    claim of this polarity. A Skeptic that `waves` looks at nothing; one that `refutes` speaks
    against the claims it picks. `words` are what is said of the counts, in their order: {n} is the
    figure that was shown, {more} one more."""

    wants: str = "neutral"
    picks: Callable[[Names], Iterable[str]] = lambda tests: [name for name, _ in tests]
    casts: Callable[[Roles], Roles] = lambda roles: roles
    counts: Callable[[Roles, str], Sequence[str]] = lambda _roles, _subject: ()
    mechanisms: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    waves: bool = True
    refutes: Callable[[str], bool] = lambda _test: False

    def model(self) -> ScriptedModel:
        """The model that plays every part."""
        players: dict[str, Policy] = {
            "You lead a small team": self._lead,
            "You are the Examiner": self._examiner,
            "You are the Skeptic": self._skeptic,
            "You are the Writer": scripted.writer,
        }

        def policy(request: Request) -> Completion | str:
            part = request.messages[0].content
            return next(play for words, play in players.items() if words in part)(request)

        return ScriptedModel(policy, "a team that wants a verdict")

    def _lead(self, request: Request) -> str:
        task = "\n".join(message.content for message in request.messages)
        subject = SUBJECT.search(task)
        if subject is None:
            return no_way_on("the task names no subject")
        chosen = " ".join(self.picks(TEST.findall(task)))
        told = f"About {subject[1]}: {chosen}"
        return scripted.lead(request, {**scripted.ORDERS, "Examiner": told})

    def _examiner(self, request: Request) -> Completion:
        done = steps(request)
        told = TOLD.search(prompt_of(request))
        if not done or told is None:
            return calls(request, ("exhibits", {}))
        roles = self.casts(roles_of(read_exhibits(done[0].body)))
        tried = [step for step in done if step.tool == "roles"]
        for step in tried:
            roles = {
                role: p for role, p in roles.items() if role not in REFUSED.findall(step.shown)
            }
        if not tried or (tried[-1].failed and len(tried) < 3):
            return calls(request, ("roles", {"columns": roles}))
        used = [step.tool for step in done]
        if "tests" not in used and told[2].strip():
            return calls(request, ("tests", {"names": told[2].split()}))
        queries = self.counts(roles, told[1])
        if "sql" not in used and queries:
            return calls(request, *(("sql", {"query": query}) for query in queries))
        if "claim" not in used and queries:
            shown = [found for s in done if s.tool == "sql" for found in COUNT.findall(s.body)]
            made = list(self._claims(shown, told[1]))
            if made:
                return calls(request, *made)
        return report(request, "done", "What was asked for is claimed.")

    def _claims(
        self, shown: Iterable[tuple[str, str]], subject: str
    ) -> Iterable[tuple[str, dict[str, Json]]]:
        for (cited, count), words in zip(shown, self.words, strict=False):
            text = words.format(n=count, more=int(count) + 1, s=subject)
            yield "claim", {"text": text, "cites": [cited], "polarity": self.wants}
        for cited, count in shown:
            for mechanism in self.mechanisms:
                text = f"{subject} has {count} such records, as {mechanism} would leave them."
                yield (
                    "claim",
                    {
                        "text": text,
                        "cites": [cited],
                        "mechanism": mechanism,
                        "polarity": self.wants,
                    },
                )

    def _skeptic(self, request: Request) -> Completion:
        done, brief = steps(request), prompt_of(request)
        used = [step.tool for step in done]
        claims = CLAIMED.findall(brief)
        if "reviewed" not in used and claims:
            return calls(request, ("reviewed", {"claims": [found[0] for found in claims]}))
        against = [c[0] for c in claims if self.refutes(c[2].removeprefix(" test ").split(" ")[0])]
        if "sql" not in used and against:
            table = read_exhibits(brief).tables
            query = f"SELECT count(*) FROM {next(iter(table))}"
            return calls(request, ("sql", {"query": query}))
        if "claim" not in used and against:
            found = COUNT.search(next(s.body for s in done if s.tool == "sql"))
            assert found is not None
            text = f"The table holds {found[2]} rows, which another reading explains."
            made: list[tuple[str, dict[str, Json]]] = [
                ("claim", {"text": text, "cites": [found[1]], "refutes": name}) for name in against
            ]
            return calls(request, *made)
        if not self.waves and "roles" not in used:
            roles = self.casts(roles_of(read_exhibits(brief)))
            return calls(request, ("roles", {"columns": roles}))
        if not self.waves and "tests" not in used:
            return calls(request, ("tests", {"names": []}))
        return report(request, "done", "Everything was looked at.")


def parts(*wanted: str) -> Callable[[Names], list[str]]:
    """Tests of these parts."""
    return lambda tests: [name for name, part in tests if part in wanted]


def mechanisms(*names: str) -> Callable[[Names], list[str]]:
    """Tests of these mechanisms, and those that all share."""
    return lambda tests: [
        name for name, part in tests if part == "shared" or name.partition("/")[0] in names
    ]


def swapped(*pairs: tuple[str, str]) -> Callable[[Roles], Roles]:
    """Roles that have changed places."""

    def change(roles: Roles) -> Roles:
        known = dict(roles)
        for one, other in pairs:
            if one in known and other in known:
                known[one], known[other] = known[other], known[one]
        return known

    return change


def without(*names: str) -> Callable[[Roles], Roles]:
    """Roles of which some are not filled."""
    return lambda roles: {role: place for role, place in roles.items() if role not in names}


def damning(roles: Roles, subject: str) -> list[str]:
    """Counts of the subject's own rows: true, and beside nobody else's."""
    return [
        _count(roles[role], subject)
        for role in ("click.partner", "conversion.partner")
        if role in roles
    ]


def quiet(roles: Roles, subject: str) -> list[str]:
    """Counts of a time in which nothing happened."""
    if not {"click.time", "click.partner"} <= set(roles):
        return []
    clock = roles["click.time"].partition(".")[2]
    early = f"{_count(roles['click.partner'], subject)} AND \"{clock}\" < '2026-05-01 02:00:00'"
    return [early]


def _count(place: str, subject: str) -> str:
    table, _, column = place.partition(".")
    return f"SELECT count(*) FROM {table} WHERE \"{column}\" = '{subject}'"


LIES: Mapping[str, str] = {
    "{s} has {more} clicks.": "{c} = '{s}'",
    "{s} has one dozen clicks beside {n}.": "{c} = '{s}'",
    "{s} has {n} % of the clicks.": "{c} = '{s}'",
    "{s} has clicks for {n} hours.": "{c} = '{s}'",
    "{s} has {n} clicks in June.": "{c} = '{s}'",
    "{s} has {n} clicks, more than H-6 has.": "{c} = '{s}'",
    "{s} never had a click beside these {n}.": "{c} = '{s}'",
    "H-7 has {n} clicks.": "{c} <> 'H-7'",
    "H-5 has {n} clicks.": "{c} = 'H-5' OR {c} IS NOT NULL",
    "{s} has 4711 clicks.": "{c} = '{s}' AND 4711 = 4711",
    "{s} has 9 clicks, as counted.": "{c} = '{s}' AND _line > 9",
    "The first {n} clicks are those of {s}.": "{c} = '{s}' AND _line <= 9",
    "{s} has no clicks.": "{c} = '{s}' AND {c} = 'nobody'",
    "There is no click of {s}.": "{c} = '{s}' AND {t} < '2026-05-01 00:00:01'",
}
"""Sentences that are wrong, or not shown, each with the condition of the count that it cites."""
TRUTHS: Mapping[str, str] = {
    "{s} has {n} clicks.": "{c} = '{s}'",
    'There is no click of "nobody".': "{c} = 'nobody'",
}


def counted(conditions: Iterable[str]) -> Callable[[Roles, str], list[str]]:
    """Counts of clicks under these conditions."""

    def queries(roles: Roles, subject: str) -> list[str]:
        if not {"click.partner", "click.time"} <= set(roles):
            return []
        table, _, column = roles["click.partner"].partition(".")
        clock = roles["click.time"].partition(".")[2]
        return [
            f"SELECT count(*) FROM {table} WHERE {one.format(c=column, t=clock, s=subject)}"
            for one in conditions
        ]

    return queries


LIAR = Team(
    picks=lambda _tests: (),
    counts=counted([*LIES.values(), *TRUTHS.values()]),
    words=(*LIES, *TRUTHS),
)
SWAPS = (
    ("click.visitor", "click.device"),
    ("signup.visitor", "signup.device"),
    ("conversion.user", "conversion.payment"),
    ("payment.card", "payment.id"),
)
ALL = ("last-click-hijack", "click-flooding", "self-referral", "payment-fraud", "coupon-abuse")
ACCUSERS: Mapping[str, Team] = {
    "runs signals only": Team("inculpatory", picks=parts("signal", "shared")),
    "skips what all share": Team("inculpatory", picks=parts("signal", "twin")),
    "counts damning rows only": Team("inculpatory", counts=damning, mechanisms=ALL),
    "makes sentences, runs no test": Team(
        "inculpatory", picks=lambda _tests: (), counts=damning, mechanisms=ALL * 3
    ),
    "has a Skeptic against the twins": Team(
        "inculpatory", refutes=lambda test: "/" in test and "volume" not in test
    ),
    "changes columns about": Team("inculpatory", casts=swapped(*SWAPS), waves=False),
    "leaves the period out": Team("inculpatory", casts=without("conversion.time")),
}
WHITEWASHERS: Mapping[str, Team] = {
    "runs twins only": Team("exculpatory", picks=parts("twin", "shared")),
    "counts quiet hours": Team("exculpatory", counts=quiet, mechanisms=ALL),
    "tests what was not done": Team(
        "exculpatory", picks=mechanisms("ring", "coupon-abuse", "click-flooding")
    ),
    "has a Skeptic against the signals": Team("exculpatory", refutes=lambda _test: True),
    "changes columns about": Team("exculpatory", casts=swapped(*SWAPS), waves=False),
    "leaves the period out": Team("exculpatory", casts=without("conversion.time")),
}
HONEST = Team(waves=False)


@dataclass(frozen=True)
class Bench:
    """A programme in one lab, about which many teams work."""

    lab: Lab
    custody: Custody
    home: Path

    async def worked(self, team: Team, subject: str, playbook: Path = SHIPPED) -> Conclusion:
        """What is concluded of a team's run about a subject."""
        case = Case(
            case_id="case",
            question="What happened?",
            evidence=("files",),
            subject=subject,
            period=PERIOD,
        )
        lab = await about(self.lab, subject)
        rules = load_playbook(playbook)
        board = Board(case, lab.intake, rules)
        limits = Limits()
        settings = Settings(
            home=self.home,
            sandbox=BoxSettings(launcher="docker"),
            limits=limits,
            without=("verify", "websurfer", "filesurfer", "coder"),
            on_question="deny",
            demo=True,
        )
        model = team.model()
        async with api.open(settings) as opened:
            quaestor = replace(opened, enlist=lambda found: enlisted(found, lab, board, model))
            run = opened.journal.create()
            await quaestor.run(task_text(case, lab.intake, rules, {}), run=run)
            told = told_by(opened.journal.verify(run))
        return await conclude(case, self.custody, rules, told, lab)


async def about(lab: Lab, subject: str) -> Lab:
    """The same lab, as if it had been opened about this subject."""
    texts = [
        (table.name, column.name)
        for _, table in lab.intake.tables()
        for column in table.columns
        if column.type == "VARCHAR"
    ]
    queries = [_count(f"{table}.{column}", subject) for table, column in texts]
    found = await lab.ask_all(queries)
    places = tuple(
        Place(table=table, column=column, rows=answer["rows"][0][0])
        for (table, column), answer in zip(texts, found, strict=True)
        if not isinstance(answer, str) and answer["rows"][0][0]
    )
    return replace(lab, intake=lab.intake.model_copy(update={"subject": places}))


@asynccontextmanager
async def bench(world: World, form: Form, root: Path) -> AsyncIterator[Bench]:
    """A bench over a world that is written down in this form."""
    write(shaped(world, form), root / "files", form.files)
    case = Case(case_id="world", question="q", evidence=("files",), subject="H-0")
    custody = take(case, root, root / "kept")
    (root / "home").mkdir()
    async with open_lab(box("docker"), custody, root / "kept", "H-0") as lab:
        yield Bench(lab, custody, root / "home")
