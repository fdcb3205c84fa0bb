"""Keeps rankings and what was said of them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_rerank._validation import check_limits, checked_documents, checked_query
from qwen_rerank.errors import InvalidInputError, UnknownRerankError
from qwen_rerank.feedback import statistics
from qwen_rerank.feedback.database import PATIENCE, Database, Row
from qwen_rerank.feedback.ranking import (
    check_adopted,
    check_id,
    check_relevant,
    judgement,
    ranking_row,
)
from qwen_rerank.feedback.statistics import DayFigures, Figures
from qwen_rerank.feedback.writer import RankingWriter
from qwen_rerank.types import RerankResult

DAY = 86_400

_ANSWER = (
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
    """`None` where no texts were kept."""
    documents: list[str] | None
    """In the original order; `None` where no texts were kept."""
    relevant: list[int]
    """Places in the original order, from 0."""


class FeedbackStore:
    """Rankings and feedback in an SQLite file, which several processes may share.

    It holds ids, times, numbers of documents and places in the original order. Calls wait for
    the disk: from a coroutine, make them in a thread.

    Args:
        path: Of the file; it is made if it is not there.
        texts: Whether queries and documents are kept, too; only these can be exported.
        read_only: Whether the file stays as it is, to look at only.
    """

    def __init__(self, path: str | Path, *, texts: bool = False, read_only: bool = False) -> None:
        self.path, self.texts = Path(path), texts
        self._read_only = read_only
        self._database = Database(path, read_only=read_only)
        self._writer = RankingWriter(self._database)

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
        """Keep a ranking. A store that fails is logged and breaks nothing.

        A file that others keep busy for more than 50 ms goes without this ranking, and is then
        left alone for 10 s; `lost` counts.

        Args:
            query: What was searched for.
            documents: The candidates, in the retriever's order.
            results: What the reranker returned; `None` when its order was used as it was,
                for a share of requests to compare with.
            seconds: How long it took.
            rerank_id: A name of your own that no other ranking has; `None` makes one.
            top_n: How many results were asked for; where these are fewer than three, so many
                count with and without reranking.

        Returns:
            The id that feedback has to name.

        Raises:
            InvalidInputError: An argument is of the wrong kind, or there is a ranking of this
                id already.
        """
        checked_query(query)
        checked_documents(documents)
        check_limits(top_n, None)
        if rerank_id is not None:
            check_id(rerank_id)
        row = self.row(query, documents, results, seconds=seconds, rerank_id=rerank_id, top_n=top_n)
        self._writer.keep_quickly(row)
        return str(row[0])

    def row(
        self,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult] | None = None,
        **more: Any,
    ) -> Row:
        """What is kept of a ranking, for `keep`; of arguments that were checked before."""
        return ranking_row(query, documents, results, texts=self.texts, **more)

    def keep(self, row: Row) -> None:
        """Write a row, patiently; a failure is logged and counted."""
        self._writer.keep(row, PATIENCE)

    @property
    def lost(self) -> int:
        """Rankings that could not be kept, since this object was made."""
        return self._writer.lost

    def lose(self, count: int) -> None:
        """Count rankings that were given up before they came here."""
        self._writer.lost += count

    def record_feedback(
        self,
        rerank_id: str,
        *,
        relevant: Collection[int] | None = None,
        adopted: bool | None = None,
    ) -> None:
        """Keep what was said of a ranking; it is in the file when this returns.

        Of each of the two, the last that was said counts; `None` says nothing.

        Args:
            rerank_id: From `record_ranking`, or the server's `X-Rerank-Id`.
            relevant: Places of the relevant documents in the original order, from 0; an empty
                list says that there is none.
            adopted: Whether the final answer was taken.

        Raises:
            UnknownRerankError: There is no such ranking.
            InvalidInputError: Nothing is said, something is of the wrong kind, or a place has
                no document.
            FeedbackError: The file can't be written.
        """
        check_id(rerank_id)
        if relevant is None and adopted is None:
            raise InvalidInputError("feedback must say relevant or adopted, or both")
        if relevant is not None:
            check_relevant(relevant)
        if adopted is not None:
            check_adopted(adopted)
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT documents, ranking, shown FROM rerankings WHERE id = ?", (rerank_id,)
            ).fetchone()
            if row is None:
                raise UnknownRerankError(f"there is no rerank with the id {rerank_id[:80]!r}")
            said = judgement(row, relevant)
            connection.execute(_JUDGE, (*said, adopted, time.time(), rerank_id))

    def record_answer(self, adopted: bool) -> None:
        """Keep whether an answer was adopted that was made without asking for a rerank.

        Raises:
            InvalidInputError: It is neither true nor false.
            FeedbackError: The file can't be written.
        """
        check_adopted(adopted)
        now = time.time()
        with self._database.writing() as connection:
            connection.execute(_ANSWER, (str(uuid.uuid4()), now, adopted, now))

    def judged(self) -> list[JudgedRanking]:
        """Every ranking whose relevant documents are known, oldest first.

        Raises:
            FeedbackError: The file can't be read.
        """
        rows = self._database.rows(_JUDGED + "ORDER BY time, id")
        return [
            JudgedRanking(name, query, texts and json.loads(texts), json.loads(relevant))
            for name, query, texts, relevant in rows
        ]

    def totals(self) -> Figures:
        """The figures of all requests that were judged.

        Raises:
            FeedbackError: The file can't be read.
        """
        return statistics.totals(self._database)

    def days(self, count: int = 30) -> list[DayFigures]:
        """The figures of each of the last days that had requests, oldest first, in UTC.

        Raises:
            FeedbackError: The file can't be read.
        """
        today = time.time() // DAY
        return statistics.days(self._database, (today - count + 1) * DAY)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._database.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.path, self.texts, self._read_only)


def _rebuild(path: Path, texts: bool, read_only: bool) -> FeedbackStore:
    return FeedbackStore(path, texts=texts, read_only=read_only)
