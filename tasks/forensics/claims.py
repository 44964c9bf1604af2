"""Claims: the only way into a report. What one says, what it cites, and what became of it.

Values only. Who made them, and whether they hold, is decided elsewhere: a claim is what somebody
said, a `Checked` is what plain code found when it looked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from orchestrator.models.llm import Frozen

ClaimKind = Literal["observation", "absence", "amount", "inference", "limitation"]
Polarity = Literal["inculpatory", "exculpatory", "neutral"]
State = Literal["verified", "mismatch", "unsupported", "not_reproducible", "unverifiable"]
Standing = Literal["supported", "open", "explained", "not_seen", "undecided", "untested"]
CLAIM, REVIEWED, SUMMARY, ROLES, LOOKED = (
    f"forensics.{name}/1" for name in ("claim", "reviewed", "summary", "roles", "looked")
)
"""The names under which they are recorded in a run."""


class Lines(Frozen):
    """Lines of an exhibit as they stand there; `sha256` is that of these lines."""

    kind: Literal["lines"] = "lines"
    exhibit: str
    first: int
    last: int
    sha256: str


class Query(Frozen):
    """A query over the whole case and the hash of its canonical result."""

    kind: Literal["query"] = "query"
    id: str
    sql: str
    sha256: str


class Page(Frozen):
    """A page of the web as it was looked up; `sha256` is that of the archived text."""

    kind: Literal["page"] = "page"
    id: str
    url: str
    sha256: str


Citation = Annotated[Lines | Query | Page, Field(discriminator="kind")]


class Looked(Frozen):
    """A page that was looked up, with its text as it was seen. `time` is when that was recorded."""

    id: str
    url: str
    sha256: str
    text: str
    time: str = ""


class Claim(Frozen):
    """One sentence with what it rests on.

    `formulas` are written `37.5 = 100 * 3 / 8`. `refutes` is a claim that this one speaks against.
    `test` is the playbook's test that code has run for it, with the columns that played its `roles`
    (role, TABLE.COLUMN); its `outcome` is what its figures say of the mechanism, for or against.
    `entities` are whom it is about, as the evidence writes them.
    """

    id: str
    by: str
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    kind: ClaimKind = "observation"
    polarity: Polarity = "neutral"
    mechanism: str = ""
    hypothesis: str = ""
    entities: tuple[str, ...] = ()
    test: str = ""
    roles: tuple[tuple[str, str], ...] = ()
    outcome: bool | None = None
    refutes: str = ""
    formulas: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()


class Result(Frozen):
    """What a citation was found to hold when it was looked up again.

    `asked` are constants that the query looks for, `narrowed` those that it leaves out or measures
    by, `units` what it counts time in, `labels` texts that it wrote itself, `objections` why it
    cannot be cited. `partial` is whether it may have left rows out. `exhibits` are what it read.
    """

    citation: Citation
    found_sha256: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    asked: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    partial: bool = False
    exhibits: tuple[str, ...] = ()
    problem: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Where cited lines of a document stand in it: its pages, sections; each once."""
        if self.citation.kind != "lines" or "place" not in self.columns:
            return ()
        return tuple(dict.fromkeys(str(row[1]) for row in self.rows))


class Checked(Frozen):
    """A claim with its state, why, and what its citations hold."""

    claim: Claim
    state: State
    why: str = ""
    results: tuple[Result, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether it may stand in a report."""
        return self.state == "verified"

    @property
    def exhibits(self) -> tuple[str, ...]:
        """Every exhibit that its citations read, in order of their ids."""
        return tuple(sorted({name for result in self.results for name in result.exhibits}))

    def figures(self) -> dict[str, Any]:
        """The one row of figures that a test's query gave, by name; empty when it gave another
        number of rows."""
        if len(self.results) != 1 or len(self.results[0].rows) != 1:
            return {}
        result = self.results[0]
        return dict(zip(result.columns, result.rows[0], strict=False))


class Hypothesis(Frozen):
    """An explanation of the case; H0 is the innocent one. `mechanism` is the playbook's, or ""."""

    id: str
    text: str
    mechanism: str = ""
    standing: Standing = "untested"


class Affected(Frozen):
    """The records that a mechanism touches, with what they add up to. `formula` says how the amount
    was computed; both are "" where no column of amounts plays a role."""

    mechanism: str
    citation: Query
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    count: int
    amount: str = ""
    formula: str = ""


class Sentence(Frozen):
    """A sentence of the summary with the claims that it puts together."""

    text: str = Field(max_length=1000)
    claims: tuple[str, ...] = Field(min_length=1)
