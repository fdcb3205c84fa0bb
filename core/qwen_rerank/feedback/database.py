"""The SQLite file behind the feedback, for several threads and processes at once."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from qwen_rerank.errors import FeedbackError
from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.stores import close_own

PATIENCE = 5.0
"""Seconds to wait while somebody else is in the file."""
VERSION = 2
"""Of the tables, which the file holds as its `user_version`."""
_RETRY = 0.02

_TABLES = (
    # one row a rerank; what is not known is NULL; so many of the first places are "shown"
    "CREATE TABLE IF NOT EXISTS rerankings ("
    "id TEXT PRIMARY KEY, time REAL NOT NULL, seconds REAL, documents INTEGER NOT NULL, "
    "reranked INTEGER NOT NULL, ranking TEXT NOT NULL, shown INTEGER NOT NULL, "
    "query TEXT, texts TEXT, "
    "relevant TEXT, hit INTEGER, hit_before INTEGER, adopted INTEGER, judged REAL)",
    "CREATE INDEX IF NOT EXISTS by_time ON rerankings (time)",
    "CREATE INDEX IF NOT EXISTS by_judgement ON rerankings (judged) WHERE judged IS NOT NULL",
    f"PRAGMA user_version = {VERSION}",
)

Row = tuple[Any, ...]


class InUseError(FeedbackError):
    """Another thread of this process is in the file, for longer than a call waits."""


class Database:
    """One file. A change is in it when `writing` ends, whatever kills the process after that.

    Each process has a connection of its own, closed before a fork, since none survives one; it
    is opened anew after an error, so that a store heals when its disk does.

    Args:
        path: Of the file; it is made if it is not there.
        read_only: Change nothing, and make nothing.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path, self._read_only = Path(path), read_only
        self._open: dict[int, sqlite3.Connection] = {}
        self._lock = ForkLock(settle=partial(close_own, self._open))

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a question.

        Raises:
            FeedbackError: The file can't be read.
        """
        with self._using(PATIENCE) as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self, patience: float = PATIENCE) -> Iterator[sqlite3.Connection]:
        """All changes inside, or none of them.

        Args:
            patience: Seconds to wait for all others who are in the file.

        Raises:
            FeedbackError: The file can't be written.
        """
        with self._using(patience) as connection:
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
            close_own(self._open)

    @contextmanager
    def _using(self, patience: float) -> Iterator[sqlite3.Connection]:
        end = time.monotonic() + patience
        if not self._lock.acquire(patience):
            raise InUseError(f"the feedback file {self.path} is in use for long")
        try:
            yield self._connection(end)
        except (sqlite3.Error, OSError) as error:
            close_own(self._open)
            raise FeedbackError(f"the feedback file {self.path} fails: {error}") from error
        finally:
            self._lock.release()

    def _connection(self, end: float) -> sqlite3.Connection:
        """One that waits for other processes until the end, by the monotonic clock."""
        if os.getpid() not in self._open:
            connection = self._connect()
            try:
                self._prepare(connection, end)
            except BaseException:
                connection.close()
                raise
            self._open[os.getpid()] = connection
        _wait_until(end, self._open[os.getpid()])
        return self._open[os.getpid()]

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, connection: sqlite3.Connection, end: float) -> None:
        _wait_until(end, connection)
        ready = _patiently(lambda: self._is_ready(connection), end)
        if self._read_only:
            return
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"), end)
        connection.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a WAL needs no more
        if not ready:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are there.

        Raises:
            FeedbackError: The file is somebody else's.
        """
        [version] = connection.execute("PRAGMA user_version").fetchone()
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        # with our table but no version, another process makes it just now
        ours = "rerankings" in names or not (names or version or self._read_only)
        if not ours or version not in (0, VERSION):
            raise FeedbackError(
                f"{self.path} is no feedback file of this version of qwen-rerank: it stays as it is"
            )
        return bool(version == VERSION)


def _wait_until(end: float, connection: sqlite3.Connection) -> None:
    milliseconds = max(0, int(1000 * (end - time.monotonic())))
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _patiently(step: Callable[[], Any], end: float) -> Any:
    """SQLite waits for no lock while two processes open a new file at once."""
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_RETRY)
