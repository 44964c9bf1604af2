"""The tables of batches, beside the journal's in the same database, and their own migrations.

A row per unit is the truth about a batch; a unit's work itself is a run of the journal. Knows
columns, not what a state means.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sql

from orchestrator.errors import JournalUnavailable

SCHEMA = 1
LOCK = 7238420

metadata = sql.MetaData()

batches = sql.Table(
    "batches",
    metadata,
    sql.Column("batch", sql.String(32), primary_key=True),
    sql.Column("created", sql.String(32), nullable=False, index=True),
    sql.Column("epoch", sql.Integer, nullable=False),
    sql.Column("owner", sql.String(255), nullable=False),
    sql.Column("cancelled", sql.Boolean, nullable=False),
    sql.Column("active_s", sql.Float, nullable=False),
    sql.Column("plan", sql.Text, nullable=False),
)

units = sql.Table(
    "batch_units",
    metadata,
    sql.Column("batch", sql.String(32), sql.ForeignKey("batches.batch"), nullable=False),
    sql.Column("unit", sql.String(32), nullable=False),
    sql.Column("place", sql.Integer, nullable=False),
    sql.Column("task", sql.Text, nullable=False),
    sql.Column("repeat", sql.Integer, nullable=False),
    sql.Column("system", sql.Text, nullable=False),
    sql.Column("priority", sql.Integer, nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("run", sql.String(32), nullable=False),
    sql.Column("head", sql.Integer, nullable=False),
    sql.Column("attempt", sql.Integer, nullable=False),
    sql.Column("strikes", sql.Integer, nullable=False),
    sql.Column("steps", sql.Integer, nullable=False),
    sql.Column("outcome", sql.String(16), nullable=False),
    sql.Column("failure", sql.String(16), nullable=False),
    sql.Column("calls", sql.Integer, nullable=False),
    sql.Column("tokens", sql.BigInteger, nullable=False),
    sql.Column("usd_micros", sql.BigInteger, nullable=True),
    sql.Column("queued", sql.Float, nullable=False),
    sql.Column("started", sql.Float, nullable=True),
    sql.Column("ended", sql.Float, nullable=True),
    sql.Column("result", sql.Text, nullable=True),
    sql.PrimaryKeyConstraint("batch", "unit"),
    sql.Index("batch_units_next", "batch", "state", "priority", "place"),
)

gates = sql.Table(
    "endpoint_gates",
    metadata,
    sql.Column("endpoint", sql.String(255), primary_key=True),
    sql.Column("blocked_until", sql.Float, nullable=False),
    sql.Column("requests_full", sql.Float, nullable=False),
    sql.Column("tokens_full", sql.Float, nullable=False),
)

seats = sql.Table(
    "endpoint_seats",
    metadata,
    sql.Column("endpoint", sql.String(255), nullable=False),
    sql.Column("seat", sql.String(32), nullable=False),
    sql.Column("place", sql.String(255), nullable=False),
    sql.Column("process", sql.String(64), nullable=False),
    sql.Column("until", sql.Float, nullable=False),
    sql.PrimaryKeyConstraint("endpoint", "seat"),
)

version = sql.Table("batch_schema", metadata, sql.Column("version", sql.Integer))


def migrate(engine: sql.Engine) -> None:
    """Bring these tables to this version under the database's lock. Forward only."""
    with engine.connect().execution_options(reading=True) as connection:
        if _current(connection) == SCHEMA:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sql.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        current = _current(connection)
        if current > SCHEMA:
            raise JournalUnavailable(
                f"these batches were written by a newer Quaestor (schema {current}, this one "
                f"knows {SCHEMA})",
                fix="upgrade quaestor, or point QUAESTOR_HOME at another folder",
            )
        for number in range(current, SCHEMA):
            MIGRATIONS[number](connection)
        connection.execute(sql.delete(version))
        connection.execute(sql.insert(version).values(version=SCHEMA))


def _current(connection: sql.Connection) -> int:
    if not sql.inspect(connection).has_table(version.name):
        return 0
    return int(connection.execute(sql.select(version.c.version)).scalar() or 0)


def _first_tables(connection: sql.Connection) -> None:
    metadata.create_all(connection)


MIGRATIONS: tuple[Callable[[sql.Connection], None], ...] = (_first_tables,)
