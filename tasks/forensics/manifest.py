"""The manifest of a batch: which cases there are, what is asked, where their evidence lies.

Knows the shape of a case and nothing of files. Whatever it does not know by name is a fault.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

CASE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
OFFSET = re.compile(r"(?:UTC)?[+-]\d\d:?\d\d")
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{1,63}", re.IGNORECASE)
SHA256 = r"^[0-9a-f]{64}$"


def _several(value: object) -> object:
    """One path, or a list of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _no_network(value: object) -> object:
    if value in ([], (), None):
        return "none"
    return tuple(value) if isinstance(value, list) else value


def _host(name: str) -> str:
    if not HOST.fullmatch(name):
        raise ValueError(f"{name!r} is no host; write terms.example.com: no https://, port or path")
    return name.lower()


def _inside(path: str) -> str:
    """A relative path that does not lead out of the batch's folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not path.strip() or "\0" in path:
        raise ValueError("a path may not be empty or hold a zero byte")
    if PurePosixPath(path).is_absolute() or re.match(r"[A-Za-z]:", path):
        raise ValueError("it has to be relative to the manifest's folder")
    if ".." in parts:
        raise ValueError("it may not lead out of the manifest's folder (..)")
    if any(DEVICES.fullmatch(part) for part in parts):
        raise ValueError("it names a device")
    return path


def _zone(name: str) -> str:
    if name == "UTC" or OFFSET.fullmatch(name):
        return name
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{name!r} is no time zone; write Europe/Berlin, +01:00 or UTC") from error
    return name


InsidePath = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_inside)]
ZoneName = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
HostName = Annotated[str, StringConstraints(max_length=253), AfterValidator(_host)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class Strict(BaseModel):
    """Frozen, and strangers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Budget(Strict):
    """What a case may use at most; what is not given is the run's default."""

    usd: float | None = Field(default=None, gt=0, le=10_000)
    tokens: int | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0, le=24 * 60)
    rounds: int | None = Field(default=None, gt=0, le=1_000)


class Redaction(Strict):
    """What is hidden from the model that works on a case, and replaced in copies of its report:
    with `model_input`, whatever has the form of a mail address, phone, card or account number, key
    or token; `names` are further values, `addresses` are network addresses."""

    model_input: bool = False
    names: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)], ...] = (
        Field(default=(), max_length=500)
    )
    addresses: bool = False


class Case(Strict):
    """One case.

    `evidence` are files and folders relative to the manifest; `references` are files that belong to
    no case, such as a table of networks. `time_zone` is for times without a zone of their own: one
    for all files, or one per file pattern. `expected_hashes` maps paths to what they have to hash
    to. `subject` is whom or what the question is about, exactly as the evidence writes it.
    """

    case_id: Annotated[str, StringConstraints(pattern=CASE_ID)]
    question: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)
    ]
    evidence: Annotated[
        tuple[InsidePath, ...], BeforeValidator(_several), Field(min_length=1, max_length=100)
    ]
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    subject: Short | None = None
    period: tuple[AwareDatetime, AwareDatetime] | None = None
    time_zone: ZoneName | dict[Short, ZoneName] | None = None
    schema_hints: dict[Short, Annotated[str, StringConstraints(max_length=2000)]] = Field(
        default_factory=dict
    )
    references: Annotated[tuple[InsidePath, ...], BeforeValidator(_several)] = ()
    playbook: InsidePath | None = None
    hypotheses: tuple[Short, ...] = Field(default=(), max_length=30)
    expected_hashes: dict[InsidePath, Annotated[str, StringConstraints(pattern=SHA256)]] = Field(
        default_factory=dict
    )
    budget: Budget = Budget()
    redaction: Redaction = Redaction()
    network: Annotated[
        Literal["none"] | Annotated[tuple[HostName, ...], Field(max_length=20)],
        BeforeValidator(_no_network),
    ] = "none"
    tags: tuple[Short, ...] = Field(default=(), max_length=50)

    @field_validator("case_id")
    @classmethod
    def _no_device(cls, value: str) -> str:
        if DEVICES.fullmatch(value) or value.endswith("."):
            raise ValueError("it names a device, or ends in a dot")
        return value

    @model_validator(mode="after")
    def _hides_what_it_shows(self) -> Case:
        if self.redaction.model_input and self.network != "none":
            raise ValueError(
                "redaction: pages that are looked up are shown as they are; hide personal data, or "
                "name hosts in network, not both"
            )
        return self

    @model_validator(mode="after")
    def _period_in_order(self) -> Case:
        if self.period is not None and self.period[0] >= self.period[1]:
            raise ValueError("period: the end has to come after the start")
        return self
