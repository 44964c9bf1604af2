"""The examiner's tools: questions to the lab, tests of the playbook, and claims.

What a tool shows can be cited by the id beside it. A claim is checked the moment it is made; what
does not hold is said at once, and is kept apart.
"""

from __future__ import annotations

import re
from typing import Any

from agents.toolkit import tool
from orchestrator.agent import Assignment, Json, Observation
from orchestrator.canonical import sha256_bytes
from orchestrator.errors import ToolFailed
from tasks.forensics.board import PLOT, Board, Noted, observed
from tasks.forensics.casting import cast_of
from tasks.forensics.checking_claims import judged, look_up, queried
from tasks.forensics.claims import (
    CLAIM,
    REVIEWED,
    ROLES,
    Citation,
    Claim,
    ClaimKind,
    Lines,
    Page,
    Polarity,
    Query,
    Result,
)
from tasks.forensics.lab import Lab
from tasks.forensics.playbook import checked_roles, query_of, sentence
from tasks.forensics.showing import exhibits_text, lines_text, profile_text, rows_text

CITED_LINES = re.compile(r"(E\d{3,4}(?:\.\d+)?):(\d+)(?:-(\d+))?", re.IGNORECASE)
MAX_CITED = 20


class Desk:
    """The tools, for one assignment."""

    def __init__(self, lab: Lab, board: Board, assignment: Assignment) -> None:
        self._lab = lab
        self._board = board
        self._by = assignment.agent
        round_, place = assignment.path.split("/")[1:3]
        self._prefix = f"C{round_}.{place.partition('.')[0]}"
        self._made = self._numbered = 0

    def recall(self, observation: Observation) -> None:
        """Take over what a recorded step has done."""
        records = (observation.snapshot or {}).get("forensics", ())
        self._board.take(records)
        self._made += sum(schema == CLAIM for schema, _ in records)

    def _shown(self, text: str, locator: str, *records: tuple[str, Json]) -> Observation:
        """An observation whose records are taken over here, and again when it is recalled."""
        self._board.take(records)
        self._made += sum(schema == CLAIM for schema, _ in records)
        return observed(text, locator, *records)

    @tool(direct=True)
    async def exhibits(self) -> Observation:
        """Every exhibit: what it is, whether it is complete, its tables, how tables are linked,
        where the subject occurs, and what has to be known before relying on it."""
        return self._shown(exhibits_text(self._board.shown), "exhibits")

    @tool(direct=True)
    async def profile(self, table: str) -> Observation:
        """Every column of a table: type, what its values look like, counts, extremes, most frequent
        values, and for times the zone and how it was found."""
        return self._shown(
            profile_text(self._board.shown, self._board.mask.text(table)), f"profile of {table}"
        )

    @tool(direct=True)
    async def sample(self, table: str, where: str = "", n: int = 10) -> Observation:
        """Rows of a table, chosen by chance but the same each time; `where` is an SQL condition."""
        found = await self._asked("sample", table=table, where=where, n=n)
        text = self._rows(found)
        return self._shown(f"{text}\n[a sample: not to be cited]", f"sample of {table}")

    @tool(direct=True)
    async def sql(self, query: str) -> Observation:
        """One SELECT (DuckDB) over the tables of the case. Times in UTC are in NAME_utc columns,
        every row has _line. Its result has an id to cite, if the query puts no figures of its own
        into it and gives at most 200 rows."""
        found = await self._asked("sql", query=query)
        cited = _query(query, found["sha256"])
        text = f"{cited.id}\n{self._rows(found)}"
        if found["objections"]:
            text += f"\n[cannot be cited: {'; '.join(found['objections'])}]"
            return self._shown(text, f"query {cited.id}")
        return self._shown(text, f"query {cited.id}", ("query", cited.model_dump(mode="json")))

    @tool(direct=True)
    async def grep(self, exhibit: str, pattern: str, n: int = 20) -> Observation:
        """Lines of an exhibit that match a regular expression, case ignored. Cite them as
        E003:10-12."""
        found = await self._asked("grep", exhibit=exhibit, pattern=pattern, n=n)
        text = f"{found['count']} lines match\n{self._lines(found)}"
        return self._shown(text, f"{exhibit} /{pattern}/")

    @tool(direct=True)
    async def lines(self, exhibit: str, first: int, last: int) -> Observation:
        """Lines of an exhibit as they stand there, at most 200; those of a document (PDF, office
        text, mail, page) with the place that they stand at."""
        found = await self._asked("lines", exhibit=exhibit, first=first, last=last)
        return self._shown(self._lines(found), f"{exhibit}:{first}-{last}")

    @tool(direct=True)
    async def page(self, name: str = "") -> Observation:
        """A page that the WebSurfer has looked up, by its id; without one, which there are."""
        known = self._board.looked
        if not name:
            listed = [f"{page.id} {page.url}" for page in known.values()]
            return self._shown("\n".join(listed) or "nothing was looked up", "pages")
        found = known.get(name.strip().upper())
        if found is None:
            raise ToolFailed(f"no page {name!r} was looked up; there is: {', '.join(known)}")
        return self._shown(f"{found.id} {found.url}\n{found.text}", found.id)

    @tool(direct=True)
    async def geo(self, ip: str) -> Observation:
        """What the case's own tables of networks say of an address."""
        found = await self._asked("geo", ip=ip)
        hits = self._board.mask.value(found["found"])
        lines = [str(hit) for hit in hits] or ["no network of the case holds it"]
        return self._shown("\n".join(lines), f"geo {ip}")

    @tool(direct=True)
    async def ua(self, text: str) -> Observation:
        """What a user agent says it is."""
        found = await self._asked("ua", text=text)
        return self._shown(str(self._board.mask.value(found)), "user agent")

    @tool(direct=True)
    async def graph(self, query: str) -> Observation:
        """Clusters of what a query pairs (two columns). What many share joins nobody and is
        listed."""
        found = await self._asked("graph", query=query)
        return self._shown(str(self._board.mask.value(found)), "clusters")

    @tool()
    async def plot(self, query: str, kind: str, title: str) -> Observation:
        """Draw a query's result for the report: kind is bar, line, scatter or hist; the first
        column goes across, the second up."""
        found = await self._asked("plot", query=query, kind=kind, title=title)
        drawn = {"query": query, "kind": kind, "title": title[:200], "sha256": found["sha256"]}
        return self._shown(f"drawn: {title}", "plot", (PLOT, drawn))

    @tool()
    async def roles(self, columns: dict[str, str]) -> Observation:
        """Say which columns play which role in the playbook's tests, such as
        {"click.time": "e004.ts_utc", "conversion.partner": "e005.partner_id"}."""
        board = self._board
        known = checked_roles(columns, board.playbook, board.intake)
        doubted = board.intake.unsure_clocks()
        unsure = [f"{role} = {place}" for role, place in known.items() if place in doubted]
        if unsure:
            raise ToolFailed(f"{', '.join(unsure)}: its zone is unknown, or differs from others")
        cast = cast_of(board.playbook, board.intake)
        misfits = [
            f"{role} = {place}: {why}"
            for role, place in known.items()
            if (why := cast.problem(role, place))
        ]
        if misfits:
            raise ToolFailed("; ".join(misfits[:20]))
        body = {"by": self._by, "roles": known}
        return self._shown(f"{len(known)} roles are filled", "roles", (ROLES, body))

    @tool()
    async def tests(self, names: list[str] = []) -> Observation:  # noqa: B006 - read only
        """Run tests of the playbook over the roles that you have filled; without names, all. Each
        makes a claim, whose figures and outcome code has computed."""
        known = self._board.playbook.tests()
        strange = [name for name in names if name not in known]
        if strange:
            raise ToolFailed(f"there is no test {strange[0]!r}; there is: {', '.join(known)}")
        lines: list[str] = []
        asked: dict[str, str] = {}
        for name in names or list(known):
            try:
                asked[name] = self._query_of(name)
            except ToolFailed as error:
                lines.append(f"{name}: not run: {error.message}")
        answers = await self._lab.ask_all(list(asked.values()))
        records: list[tuple[str, Json]] = []
        for name, answer in zip(asked, answers, strict=True):
            claim = self._tested(name, asked[name], answer, lines)
            if claim is not None:
                result = queried(claim.citations[0], answer, self._board.intake)
                records += self._claimed(self._noted(claim, [result]), lines)
        self._numbered = 0
        return self._shown("\n".join(lines), "tests", *records)

    @tool()
    async def claim(
        self,
        text: str,
        cites: list[str],
        kind: ClaimKind = "observation",
        polarity: Polarity = "neutral",
        mechanism: str = "",
        formulas: list[str] = [],  # noqa: B006 - read only
        depends_on: list[str] = [],  # noqa: B006 - read only
        refutes: str = "",
    ) -> Observation:
        """State one sentence for the report. cites: results (Q12AB34), lines (E003:10-12), or
        pages that were looked up (W3.2.1). Every
        figure, id, address and time in it has to be in what it cites, or follow by a formula such
        as 37.5 = 100 * 3 / 8. That something is not there needs a query over whole, complete
        exhibits. polarity: whom it speaks for, and of which mechanism. refutes: a claim that this
        one speaks against."""
        board = self._board
        if refutes and refutes not in board.noted:
            raise ToolFailed(f"there is no claim {refutes!r}")
        citations = tuple([await self._cited(name) for name in cites[:MAX_CITED]])
        made = Claim(
            id=f"{self._prefix}.{self._made + 1}",
            by=self._by,
            text=" ".join(text.split()),
            kind=kind,
            polarity=polarity,
            mechanism=mechanism,
            refutes=refutes,
            formulas=tuple(formulas),
            depends_on=tuple(depends_on),
            citations=citations,
        )
        found = await look_up(made.citations, self._lab, board.looked.values())
        noted = self._noted(made, [found[citation] for citation in made.citations])
        said = f"{made.id} {noted.state}" + (f": {noted.why}" if noted.why else "")
        return self._shown(said, made.id, (CLAIM, noted.model_dump(mode="json")))

    @tool()
    async def reviewed(self, claims: list[str]) -> Observation:
        """Say that you have looked at these claims and could not refute them, or have stated what
        speaks against them."""
        unknown = [name for name in claims if name not in self._board.noted]
        if unknown:
            raise ToolFailed(f"there is no claim {unknown[0]!r}")
        own = [name for name in claims if self._board.noted[name].claim.by == self._by]
        if own:
            raise ToolFailed(f"{own[0]} is your own claim; somebody else has to look at it")
        body = {"by": self._by, "claims": sorted(claims)}
        return self._shown(f"{len(claims)} claims reviewed", "review", (REVIEWED, body))

    async def _asked(self, op: str, **more: Json) -> dict[str, Any]:
        """What the lab answers to a model's own question. Where personal data is hidden, nothing
        may take a value apart, since its parts have no form that gives them away."""
        return await self._lab.ask({"op": op, "whole": self._board.mask.is_on, **more})

    def _rows(self, found: dict[str, Any]) -> str:
        mask = self._board.mask
        return rows_text(mask.value(found["columns"]), mask.value(found["rows"]))

    def _lines(self, found: dict[str, Any]) -> str:
        return lines_text(self._board.mask.value(found["lines"]))

    async def _cited(self, name: str) -> Citation:
        page = self._board.looked.get(name.strip().upper())
        if page is not None:
            return Page(id=page.id, url=page.url, sha256=page.sha256)
        match = CITED_LINES.fullmatch(name.strip())
        if match is None:
            return self._board.query(name)
        first, last = int(match[2]), int(match[3] or match[2])
        request = {"op": "lines", "exhibit": match[1].upper(), "first": first, "last": last}
        found = await self._lab.ask(request)
        return Lines(exhibit=match[1].upper(), first=first, last=last, sha256=found["sha256"])

    def _noted(self, claim: Claim, results: list[Result]) -> Noted:
        """A claim as it is judged at once."""
        noted = self._board.noted
        known = {name: (one.state, one.claim.text) for name, one in noted.items()}
        state, why = judged(claim, results, self._board.intake, known)
        return Noted(claim=claim, state=state, why=why)

    def _query_of(self, name: str) -> str:
        case = self._board.case
        _, test = self._board.playbook.tests()[name]
        roles = self._board.roles.get(self._by, {})
        if case.subject is None:
            raise ToolFailed("the case names no subject")
        return query_of(test.sql, test.roles, roles, case.subject, case.period)

    def _tested(
        self, name: str, sql: str, found: dict[str, Any] | str, lines: list[str]
    ) -> Claim | None:
        """The claim that a test's result makes; None, with a line that says why, where it has
        none."""
        if isinstance(found, str) or len(found["rows"]) != 1:
            why = found if isinstance(found, str) else "its query gave no single row"
            lines.append(f"{name}: not run: {why}")
            return None
        _, test = self._board.playbook.tests()[name]
        figures = dict(zip(found["columns"], found["rows"][0], strict=True))
        self._numbered += 1
        return Claim(
            id=f"{self._prefix}.{self._made + self._numbered}",
            by=self._by,
            text=sentence(test, figures, self._board.case.subject or ""),
            mechanism=name.rpartition("/")[0],
            test=name,
            roles=tuple(sorted(self._board.roles.get(self._by, {}).items())),
            outcome=test.outcome(figures),
            citations=(_query(sql, found["sha256"]),),
        )

    def _claimed(self, noted: Noted, lines: list[str]) -> list[tuple[str, Json]]:
        """The records of a test's claim, with a line that tells it."""
        claim = noted.claim
        outcome = {True: "yes", False: "no", None: "undecided"}[claim.outcome]
        said = f"{claim.id} {noted.state} {noted.why}".strip()
        lines.append(f"{claim.test}: {outcome}; {said}: {claim.text}")
        cited: list[tuple[str, Json]] = [("query", claim.citations[0].model_dump(mode="json"))]
        return [*cited, (CLAIM, noted.model_dump(mode="json"))]


def _query(sql: str, sha256: str) -> Query:
    """A result's id comes from the query and what it gave, so that a repeat has the same one."""
    name = sha256_bytes(f"{sql}\n{sha256}".encode("utf-8", "surrogatepass"))[:6].upper()
    return Query(id=f"Q{name}", sql=sql, sha256=sha256)
