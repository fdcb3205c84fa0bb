"""The SQLite file behind the feedback, for several threads and processes at once."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qwen_rerank.errors import FeedbackError

PATIENCE = 5.0
"""Seconds to wait while another process writes."""
_RETRY = 0.02

_TABLES = (
    # one row a rerank; what is not known is NULL
    "CREATE TABLE IF NOT EXISTS rerankings ("
    "id TEXT PRIMARY KEY, time REAL NOT NULL, seconds REAL, documents INTEGER NOT NULL, "
    "reranked INTEGER NOT NULL, ranking TEXT NOT NULL, query TEXT, texts TEXT, "
    "relevant TEXT, hit INTEGER, hit_before INTEGER, adopted INTEGER, judged REAL)",
    "CREATE INDEX IF NOT EXISTS by_time ON rerankings (time)",
    "CREATE INDEX IF NOT EXISTS by_judgement ON rerankings (judged) WHERE judged IS NOT NULL",
    "PRAGMA user_version = 1",
)

Row = tuple[Any, ...]


class Database:
    """One file. A change is in it when `writing` ends, whatever kills the process after that.

    Each process has a connection of its own, since none survives a fork; it is opened anew
    after an error, so that a store heals when its disk does.

    Args:
        path: Of the file.
        create: Whether to make it if it is not there.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self.path, self._create = Path(path), create
        self._open: dict[int, sqlite3.Connection] = {}
        self._lock = threading.Lock()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a question.

        Raises:
            FeedbackError: The file can't be read.
        """
        with self._using() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All changes inside, or none of them.

        Raises:
            FeedbackError: The file can't be written.
        """
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")  # waits for its turn before it reads
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close this process's connection; it opens again when it is needed."""
        with self._lock:
            self._drop()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection()
            except (sqlite3.Error, OSError) as error:
                self._drop()
                raise FeedbackError(f"the feedback file {self.path} fails: {error}") from error

    def _drop(self) -> None:
        connection = self._open.pop(os.getpid(), None)
        if connection is not None:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        if os.getpid() not in self._open:
            connection = self._connect()
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._open[os.getpid()] = connection
        return self._open[os.getpid()]

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._create else "rw"
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )


def _prepare(connection: sqlite3.Connection) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a WAL needs no more
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite waits for no lock here, when two processes open a new file at once."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_RETRY)
        else:
            return
