"""The journal's tables, how to connect to them, and the numbered migrations.

Plain SQLAlchemy Core that SQLite and Postgres both understand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import make_url

from orchestrator.blobs import storage_refused
from orchestrator.errors import JournalUnavailable, NotReady

SCHEMA = 2
BUSY_TIMEOUT_MS = 30_000

metadata = sql.MetaData()

runs = sql.Table(
    "runs",
    metadata,
    sql.Column("run", sql.String(32), primary_key=True),
    sql.Column("created", sql.String(32), nullable=False, index=True),
    sql.Column("epoch", sql.Integer, nullable=False),
    sql.Column("head_seq", sql.Integer, nullable=False),
    sql.Column("head_hash", sql.String(64), nullable=False),
    sql.Column("owner", sql.String(255), nullable=False),
)

events = sql.Table(
    "events",
    metadata,
    sql.Column("run", sql.String(32), sql.ForeignKey("runs.run"), nullable=False),
    sql.Column("seq", sql.Integer, nullable=False),
    sql.Column("key", sql.Text, nullable=False),
    sql.Column("kind", sql.String(64), nullable=False),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("time", sql.String(32), nullable=False),
    sql.Column("epoch", sql.Integer, nullable=False),
    sql.Column("duration_s", sql.Float, nullable=False),
    sql.Column("body", sql.Text, nullable=True),
    sql.Column("body_sha256", sql.String(64), nullable=False),
    sql.Column("hash", sql.String(64), nullable=False),
    sql.PrimaryKeyConstraint("run", "seq"),
    sql.UniqueConstraint("run", "key", "kind", name="events_once"),
    sql.Index("events_by_kind", "kind", "run"),
)

inbox = sql.Table(
    "inbox",
    metadata,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("run", sql.String(32), nullable=False, index=True),
    sql.Column("kind", sql.String(32), nullable=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("by", sql.String(255), nullable=False),
    sql.Column("time", sql.String(32), nullable=False),
)

holds = sql.Table(
    "holds",
    metadata,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("run", sql.String(32), nullable=False, index=True),
    sql.Column("why", sql.Text, nullable=False),
    sql.Column("by", sql.String(255), nullable=False),
    sql.Column("time", sql.String(32), nullable=False),
    sql.Column("released", sql.String(32), nullable=False),
    sql.Column("released_by", sql.String(255), nullable=False),
)

schema_version = sql.Table("schema_version", metadata, sql.Column("version", sql.Integer))


def connect(home: Path, url: str | None) -> sql.Engine:
    """An engine for the URL, or for `journal.db` in the home folder (made 0700 if missing)."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if url is None:
            database = home / "journal.db"
            database.touch(mode=0o600)
            url = f"sqlite:///{database}"
    except OSError as error:
        raise storage_refused(home, error) from error
    if make_url(url).get_backend_name() != "sqlite":
        return _server(url)
    engine = sql.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    sql.event.listen(engine, "connect", _prepare_sqlite)
    sql.event.listen(engine, "begin", _begin_immediately)
    return engine


def _server(url: str) -> sql.Engine:
    try:
        return sql.create_engine(url, pool_size=2, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise NotReady(
            f"the driver of the journal's database is not installed: {error.name}",
            fix="install it beside Quaestor: uv tool install 'quaestor[postgres]'",
        ) from error


# How a connection of each dialect reads several tables as of one moment.
READING: Mapping[str, dict[str, Any]] = {
    "sqlite": {"reading": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def migrate(engine: sql.Engine) -> None:
    """Bring the schema to this version under the database's lock. Forward only."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sql.text("SELECT pg_advisory_xact_lock(7238419)"))
        known = sql.inspect(connection).has_table("schema_version")
        current = connection.execute(sql.select(schema_version.c.version)).scalar() if known else 0
        if current is not None and current > SCHEMA:
            raise JournalUnavailable(
                f"this journal was written by a newer Quaestor (schema {current}, "
                f"this one knows {SCHEMA})",
                fix="upgrade quaestor, or point QUAESTOR_HOME at another folder",
            )
        for number in range(current or 0, SCHEMA):
            MIGRATIONS[number](connection)
        if not current:
            connection.execute(sql.insert(schema_version).values(version=SCHEMA))
        elif current < SCHEMA:
            connection.execute(sql.update(schema_version).values(version=SCHEMA))


def _first_tables(connection: sql.Connection) -> None:
    metadata.create_all(connection, tables=[runs, events, inbox, schema_version])


def _holds(connection: sql.Connection) -> None:
    holds.create(connection, checkfirst=True)


MIGRATIONS: tuple[Callable[[sql.Connection], None], ...] = (_first_tables, _holds)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN is sent below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediately(connection: sql.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another process
    # writes; taking the write lock first makes it wait for the busy timeout instead.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
