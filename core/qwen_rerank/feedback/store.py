"""Stores rankings and the feedback on them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qwen_rerank._validation import check_limits, checked_documents, checked_sentence
from qwen_rerank.errors import InvalidInputError, UnknownRerankError
from qwen_rerank.feedback import statistics
from qwen_rerank.feedback.database import BUSY_TIMEOUT, Database, Row
from qwen_rerank.feedback.ranking import (
    check_adopted,
    check_id,
    check_relevant,
    judgement,
    ranking_row,
)
from qwen_rerank.feedback.statistics import DailyStatistics, Statistics
from qwen_rerank.feedback.writer import RankingWriter
from qwen_rerank.types import RerankResult

DAY = 86_400

_INSERT_ANSWER = (
    "INSERT INTO rerankings (id, time, documents, reranked, ranking, shown, adopted, judged) "
    "VALUES (?, ?, 0, 0, '[]', 0, ?, ?)"
)
_JUDGE = (
    "UPDATE rerankings SET relevant = coalesce(?, relevant), hit = coalesce(?, hit), "
    "hit_before = coalesce(?, hit_before), adopted = coalesce(?, adopted), judged = ? WHERE id = ?"
)
_JUDGED = "SELECT id, query, texts, relevant FROM rerankings WHERE relevant IS NOT NULL "


@dataclass(frozen=True, slots=True)
class JudgedRanking:
    """A request whose relevant documents are known."""

    id: str
    query: str | None
    """`None` if texts are not stored."""
    documents: list[str] | None
    """In the original order; `None` if texts are not stored."""
    relevant: list[int]
    """Indexes in the original order, from 0."""


class FeedbackStore:
    """Rankings and feedback in an SQLite file, which several processes may share.

    The file holds ids, times, numbers of documents and indexes in the original order. Calls
    wait for the disk: a coroutine must make them in a thread.

    Args:
        path: The file; it is created if it does not exist.
        texts: Whether to store queries and documents as well; without them a ranking can't be
            exported.
        read_only: Whether to open the file for reading only.
    """

    def __init__(self, path: str | Path, *, texts: bool = False, read_only: bool = False) -> None:
        self.path, self.texts = Path(path), texts
        self._read_only = read_only
        self.database = Database(path, read_only=read_only)
        """The file itself."""
        self._writer = RankingWriter(self.database)

    def record_ranking(
        self,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult] | None = None,
        *,
        seconds: float | None = None,
        rerank_id: str | None = None,
        top_n: int | None = None,
    ) -> str:
        """Store a ranking. A failure of the file is logged, counted in `lost` and not raised.

        A ranking waits at most 50 ms while others write to the file, and is then lost. After
        it waited in vain for another process, no ranking is stored for 10 s.

        Args:
            query: What was searched for.
            documents: The candidates, in the retriever's order.
            results: What the reranker returned; `None` if the original order was used, for
                requests to compare with.
            seconds: How long it took.
            rerank_id: An id of your own that no other ranking has; `None` makes one.
            top_n: How many results were requested; if fewer than three, the hit rates look at
                that many.

        Returns:
            The id that the feedback must give.

        Raises:
            InvalidInputError: An argument has the wrong type, or a ranking has this id already.
        """
        query, documents = checked_sentence("query", query), checked_documents(documents)
        check_limits(top_n, None)
        if rerank_id is not None:
            check_id(rerank_id)
        row = self.row(query, documents, results, seconds=seconds, rerank_id=rerank_id, top_n=top_n)
        self._writer.write_quickly(row)
        return str(row[0])

    def row(
        self,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult] | None = None,
        **more: Any,
    ) -> Row:
        """The row of a ranking for `keep`, from arguments that were checked before."""
        return ranking_row(query, documents, results, texts=self.texts, **more)

    def keep(self, row: Row) -> None:
        """Store a row, within 5 s. A failure is logged and counted in `lost`."""
        self._writer.write(row, BUSY_TIMEOUT)

    @property
    def lost(self) -> int:
        """Rankings that were not stored, since this object was created."""
        return self._writer.lost

    def lose(self, count: int) -> None:
        """Count rankings that the caller gave up before it called `keep`."""
        self._writer.lost += count

    def record_feedback(
        self,
        rerank_id: str,
        *,
        relevant: Collection[int] | None = None,
        adopted: bool | None = None,
    ) -> None:
        """Store feedback on a ranking; it is in the file when this returns.

        Later feedback replaces earlier feedback of the same kind; `None` changes nothing.

        Args:
            rerank_id: From `record_ranking`, or the server's `X-Rerank-Id`.
            relevant: Indexes of the relevant documents in the original order, from 0; an empty
                list says that no document is relevant.
            adopted: Whether the final answer was adopted.

        Raises:
            UnknownRerankError: No ranking has this id.
            InvalidInputError: Both are `None`, an argument has the wrong type, or an index has
                no document.
            FeedbackError: The file can't be written.
        """
        check_id(rerank_id)
        if relevant is None and adopted is None:
            raise InvalidInputError("feedback must give relevant or adopted, or both")
        if relevant is not None:
            check_relevant(relevant)
        if adopted is not None:
            check_adopted(adopted)
        with self.database.writing() as connection:
            row = connection.execute(
                "SELECT documents, ranking, shown FROM rerankings WHERE id = ?", (rerank_id,)
            ).fetchone()
            if row is None:
                raise UnknownRerankError(f"no rerank has the id {rerank_id[:80]!r}")
            judged = judgement(row, relevant)
            connection.execute(_JUDGE, (*judged, adopted, time.time(), rerank_id))

    def record_answer(self, adopted: bool) -> None:
        """Store whether an answer that was made without a rerank was adopted.

        Raises:
            InvalidInputError: It is not a bool.
            FeedbackError: The file can't be written.
        """
        check_adopted(adopted)
        now = time.time()
        with self.database.writing() as connection:
            connection.execute(_INSERT_ANSWER, (str(uuid.uuid4()), now, adopted, now))

    def judged(self) -> list[JudgedRanking]:
        """Every ranking whose relevant documents are known, oldest first.

        Raises:
            FeedbackError: The file can't be read.
        """
        rows = self.database.rows(_JUDGED + "ORDER BY time, id")
        return [
            JudgedRanking(name, query, texts and json.loads(texts), json.loads(relevant))
            for name, query, texts, relevant in rows
        ]

    def totals(self) -> Statistics:
        """The statistics of all requests with feedback.

        Raises:
            FeedbackError: The file can't be read.
        """
        return statistics.totals(self.database)

    def days(self, count: int = 30) -> list[DailyStatistics]:
        """The statistics of each of the last days that had requests, oldest first, in UTC.

        Raises:
            FeedbackError: The file can't be read.
        """
        today = time.time() // DAY
        return statistics.days(self.database, (today - count + 1) * DAY)

    def close(self) -> None:
        """Merge SQLite's write-ahead log into the file; the store stays usable."""
        self.database.merge_log()

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(FeedbackStore, texts=self.texts, read_only=self._read_only)
        return make, (self.path,)
