"""Which columns can play a role: told by their values, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from forensics_world import Form, Row, shaped, small_world, taken_in, world_of

from tasks.forensics.casting import Cast, cast_of
from tasks.forensics.playbook import load_playbook

PLAYBOOK = load_playbook(None)
Tables = dict[str, list[Row]]
SUBJECT = "F-SELF-1"
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3, 5, 8))]
TRUE = {
    "click.id": "clicks.click",
    "click.time": "clicks.at_utc",
    "click.partner": "clicks.partner",
    "click.visitor": "clicks.visitor",
    "click.device": "clicks.device",
    "click.referer": "clicks.referer",
    "conversion.id": "sales.sale",
    "conversion.time": "sales.at_utc",
    "conversion.partner": "sales.partner",
    "conversion.click": "sales.click",
    "conversion.user": "sales.user",
    "conversion.payment": "sales.payment",
    "conversion.how": "sales.how",
    "signup.user": "signups.user",
    "signup.time": "signups.at_utc",
    "signup.visitor": "signups.visitor",
    "signup.ip": "signups.ip",
    "signup.device": "signups.device",
    "payment.id": "payments.payment",
    "payment.status": "payments.status",
    "payment.card": "payments.card",
    "usage.user": "usage.user",
    "login.partner": "logins.partner",
    "login.device": "logins.device",
    "partner.id": "partners.partner",
    "partner.kind": "partners.kind",
    "partner.payout": "partners.payout",
    "request.time": "requests.at_utc",
    "request.visitor": "requests.visitor",
    "request.path": "requests.path",
    "request.dest": "requests.dest",
}


def tables_of(seed: int = 7, **form: bool) -> Tables:
    return shaped(world_of(seed), replace(Form(), **form)).tables  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> Tables:
    return tables_of()


@pytest.fixture(scope="module")
def cast(world: Tables) -> Cast:
    return cast_of(PLAYBOOK, taken_in(world, SUBJECT))


def changed(world: Tables, table: str, change: Callable[[int, Row], Mapping[str, object]]) -> Cast:
    """The cast of a world in which the rows of one table hold more."""
    rows = [{**row, **change(number, row)} for number, row in enumerate(world[table])]
    return cast_of(PLAYBOOK, taken_in({**world, table: rows}, SUBJECT))


def test_each_role_has_the_one_column_that_it_is(cast: Cast) -> None:
    assert {role: cast.places[role] for role in TRUE} == {r: [p] for r, p in TRUE.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_programme_leaves_no_choice_either(seed: int) -> None:
    small = shaped(small_world(seed), Form()).tables
    found = cast_of(PLAYBOOK, taken_in(small, "F-HIJACK-1"))
    assert {role: found.places[role] for role in TRUE} == {r: [p] for r, p in TRUE.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_neither_names_nor_order_nor_other_tables_change_it(seed: int) -> None:
    plain, other = tables_of(seed, more=True), tables_of(seed, more=True, named=False)
    assert _as_values(plain) == _as_values(other)


def _as_values(tables: Tables) -> dict[str, list[list[str]]]:
    """The first values of what can play each role."""
    found = cast_of(PLAYBOOK, taken_in(tables, SUBJECT))
    values: dict[str, list[list[str]]] = {}
    for role in TRUE:
        cells = []
        for place in found.places[role]:
            table, _, column = place.removesuffix("_utc").partition(".")
            cells.append([str(row[column]) for row in tables[table][:20]])
        values[role] = sorted(cells)
    return values


WRONG = {
    "a column without a key": ("click.id", "clicks.device", "fits better|not all different|it is"),
    "an id that points elsewhere": ("conversion.click", "sales.user", "it is|fewer than half"),
    "the payment for the account": ("conversion.user", "sales.payment", "fits better|it is"),
    "the visitor for the device": ("signup.device", "signups.visitor", "fits better|it is"),
    "the device for the visitor": ("click.visitor", "clicks.device", "fits better|it is"),
    "another table": ("usage.user", "payments.user", "rather payment|stands there once"),
    "the kind for the outcome": (
        "payment.status",
        "partners.kind",
        "no frequent|word of that kind",
    ),
    "clicks for logins": ("login.device", "clicks.device", "clicks is rather click"),
    "the payments' clock": ("signup.time", "payments.at_utc", "fits|rather payment"),
}


@pytest.mark.parametrize(("role", "place", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_column_is_refused_with_the_reason(
    cast: Cast, role: str, place: str, why: str
) -> None:
    said = cast.problem(role, place)
    assert any(part in said for part in why.split("|")), said


def test_columns_that_fit_alike_are_all_kept(world: Tables) -> None:
    later = changed(world, "clicks", lambda _, row: {"updated": row["at"]})
    assert later.places["click.time"] == ["clicks.at_utc", "clicks.updated_utc"]
    second = changed(world, "signups", lambda n, _: {"via": f"10.0.{n % 250}.9"})
    assert second.places["signup.ip"] == ["signups.ip", "signups.via"]
    browser = changed(world, "logins", lambda _, row: {"browser": f"x{row['device']}"})
    assert browser.places["login.device"] == ["logins.device", "logins.browser"]


def test_a_part_of_a_table_is_a_second_way_to_read_the_relation(world: Tables) -> None:
    part = [dict(row) for row in world["sales"] if row["partner"] in (SUBJECT, "H-1")]
    found = cast_of(PLAYBOOK, taken_in({**world, "chosen": part}, SUBJECT))
    assert found.places["conversion.user"] == ["sales.user", "chosen.user"]


def test_outcomes_in_words_that_nobody_knows_play_no_role(world: Tables) -> None:
    coded = changed(world, "payments", lambda n, _: {"status": f"c{n % 4}"})
    assert coded.places["payment.status"] == []
    assert "word of that kind" in coded.problem("payment.status", "payments.status")


def test_without_what_marks_a_visitor_visitor_and_device_are_alike(world: Tables) -> None:
    rest = {name: rows for name, rows in world.items() if name != "requests"}
    found = cast_of(PLAYBOOK, taken_in(rest, SUBJECT))
    assert found.places["click.visitor"] == ["clicks.visitor", "clicks.device"]
