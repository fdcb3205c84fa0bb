"""The SQLite file behind the feedback, for several threads and processes at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.errors import FeedbackError

BUSY_TIMEOUT = 5.0
"""Seconds to wait while another thread or process writes."""
VERSION = 2
"""Of the tables; stored in the file as its `user_version`."""
MAX_LOG_BYTES = 1_000_000
"""Size of the write-ahead log from which closing a connection merges it into the file."""
_RETRY_SECONDS = 0.02

_TABLES = (
    # one row for each rerank; NULL means unknown; hit rates look at the first `shown` results
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


_open: list[Path] = []
_inherited: set[Path] = set()
"""Files that another thread had open when this process was forked.

SQLite keeps in memory which locks its process holds on a file. A forked child inherits this
memory without the locks: it would wait for ever, or write without a lock and damage the file.
Nothing can clear that memory, so the child must not open the file.
"""


class InUseError(FeedbackError):
    """Another thread of this process was writing for longer than the call may wait."""


class Database:
    """One SQLite file. A change is in the file when `writing` ends, even if the process is killed.

    Each operation opens a connection and closes it at its end: SQLite allows no connection to be
    carried over a fork. It takes about 1 ms (measured, on a disk that needs 20 ms to sync).

    Args:
        path: The file; it is created if it does not exist.
        read_only: Change nothing, and create nothing.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path, self._read_only = Path(path), read_only
        run_now_and_after_fork(self._reset)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query.

        Raises:
            FeedbackError: The file can't be read.
        """
        with self._connection(time.monotonic() + BUSY_TIMEOUT) as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self, timeout: float = BUSY_TIMEOUT) -> Iterator[sqlite3.Connection]:
        """A transaction: all changes made inside, or none of them.

        Args:
            timeout: Seconds to wait for other threads and processes that write.

        Raises:
            InUseError: Another thread of this process kept the file for longer.
            FeedbackError: The file can't be written.
        """
        end = time.monotonic() + timeout
        if not self._writing.acquire(timeout=timeout):
            raise InUseError(f"the feedback file {self.path} is in use by another thread")
        try:
            with self._connection(end) as connection:
                connection.execute("BEGIN IMMEDIATE")  # takes the write lock before it reads
                yield connection
                connection.execute("COMMIT")  # closing without it undoes everything
        finally:
            self._writing.release()

    def merge_log(self) -> None:
        """Merge the write-ahead log into the file, so that the file can be copied alone.

        Loses nothing if it fails: the log stays, and is read together with the file.
        """
        end = time.monotonic() + BUSY_TIMEOUT
        if self.path.exists() and not self._read_only:
            with suppress(FeedbackError), self._connection(end, max_log_bytes=0):
                pass

    @contextmanager
    def _connection(
        self, end: float, max_log_bytes: int = MAX_LOG_BYTES
    ) -> Iterator[sqlite3.Connection]:
        """A connection that waits for other processes until `end`, by the monotonic clock."""
        path = self.path.absolute()
        if path in _inherited:
            raise FeedbackError(
                f"the feedback file {path} was in use when this process was forked, so this "
                "process can't use it; start another one"
            )
        _open.append(path)
        try:
            with ExitStack() as afterwards, closing(self._connect(end)) as connection:
                self._prepare(connection, end)
                if not self._read_only and self._log_bytes() < max_log_bytes:
                    # SQLite merges the log when the last connection closes, which syncs the disk
                    # three times. A reader that closes after the writer leaves the log as it is.
                    reader = afterwards.enter_context(closing(self._connect(end, "ro")))
                    reader.execute("PRAGMA user_version").fetchone()
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise FeedbackError(f"the feedback file {self.path} fails: {error}") from error
        finally:
            _open.remove(path)

    def _connect(self, end: float, mode: str | None = None) -> sqlite3.Connection:
        mode = mode or ("ro" if self._read_only else "rwc")
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        timeout = max(0.0, end - time.monotonic())
        return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection, end: float) -> None:
        """Create the tables in a new file.

        SQLite does not wait for every lock while two processes open a new file at once.
        """
        while True:
            try:
                if not self._has_tables(connection):
                    _create_tables(connection)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                connection.execute("PRAGMA synchronous = NORMAL")  # safe with a write-ahead log
                return

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables exist.

        Raises:
            FeedbackError: The file belongs to another program.
        """
        [version] = connection.execute("PRAGMA user_version").fetchone()
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        # a table without the version: another process is creating the tables right now
        ours = "rerankings" in names or not (names or version or self._read_only)
        if not ours or version not in (0, VERSION):
            raise FeedbackError(
                f"{self.path} is not a feedback file of this version of qwen-rerank; "
                "it was not changed"
            )
        return bool(version == VERSION)

    def _log_bytes(self) -> int:
        with suppress(FileNotFoundError):
            return Path(f"{self.path}-wal").stat().st_size
        return 0

    def _reset(self) -> None:
        """At the start, and in a forked child."""
        self._writing = threading.Lock()


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("COMMIT")


def _note_inherited() -> None:
    _inherited.update(_open)


run_now_and_after_fork(_note_inherited)
