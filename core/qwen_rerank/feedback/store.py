"""Keeps rankings and what was said of them."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_rerank.errors import FeedbackError, InvalidInputError, UnknownRerankError
from qwen_rerank.feedback import figures
from qwen_rerank.feedback.database import Database, Row
from qwen_rerank.feedback.figures import TOP, DayFigures, Figures
from qwen_rerank.inputs import check_documents, check_query
from qwen_rerank.types import RerankResult

DAY = 86_400
MOST_PLACES = 100
"""Places of a ranking that are kept; the figures need the first three."""

_INSERT = (
    "INSERT INTO rerankings (id, time, seconds, documents, reranked, ranking, query, texts) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_ANSWER = (
    "INSERT INTO rerankings (id, time, documents, reranked, ranking, adopted, judged) "
    "VALUES (?, ?, 0, 0, '[]', ?, ?)"
)
_JUDGE = (
    "UPDATE rerankings SET relevant = coalesce(?, relevant), hit = coalesce(?, hit), "
    "hit_before = coalesce(?, hit_before), adopted = coalesce(?, adopted), judged = ? WHERE id = ?"
)
_JUDGED = "SELECT id, query, texts, relevant FROM rerankings WHERE relevant IS NOT NULL "

logger = logging.getLogger(__name__)


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
        create: Whether the file may be made.
    """

    def __init__(self, path: str | Path, *, texts: bool = False, create: bool = True) -> None:
        self.path, self.texts = Path(path), texts
        self.lost = 0
        """Rankings that could not be kept, since this object was made."""
        self._create, self._failing = create, False
        self._database = Database(path, create=create)

    def record_ranking(
        self,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult] | None = None,
        *,
        seconds: float | None = None,
        rerank_id: str | None = None,
    ) -> str:
        """Keep a ranking. A store that fails is logged and breaks nothing.

        Args:
            query: What was searched for.
            documents: The candidates, in the retriever's order.
            results: What the reranker returned; `None` when its order was used as it was,
                for a share of requests to compare with.
            seconds: How long it took.
            rerank_id: A name of your own that no other ranking has; `None` makes one.

        Returns:
            The id that feedback has to name.

        Raises:
            InvalidInputError: Query or documents are no texts.
        """
        check_query(query, None)
        check_documents(documents)
        name = rerank_id or str(uuid.uuid4())
        texts = (query, _json(list(documents))) if self.texts else (None, None)
        reranked = results is not None and not _kept_its_order(results)
        order = _order(documents, results)
        self._insert((name, time.time(), seconds, len(documents), reranked, order, *texts))
        return name

    def record_feedback(
        self,
        rerank_id: str,
        *,
        relevant: Sequence[int] | None = None,
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
        if relevant is None and adopted is None:
            raise InvalidInputError("feedback must say relevant or adopted, or both")
        if adopted not in (None, True, False):
            raise InvalidInputError(f"adopted must be true or false, got {adopted!r:.80}")
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT documents, ranking FROM rerankings WHERE id = ?", (rerank_id,)
            ).fetchone()
            if row is None:
                raise UnknownRerankError(f"there is no rerank with the id {rerank_id[:80]!r}")
            said = _judgement(row, relevant)
            connection.execute(_JUDGE, (*said, adopted, time.time(), rerank_id))

    def record_answer(self, adopted: bool) -> None:
        """Keep whether an answer was adopted that was made without asking for a rerank.

        Raises:
            FeedbackError: The file can't be written.
        """
        now = time.time()
        with self._database.writing() as connection:
            connection.execute(_ANSWER, (str(uuid.uuid4()), now, bool(adopted), now))

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
        return figures.totals(self._database)

    def days(self, count: int = 30) -> list[DayFigures]:
        """The figures of each of the last days that had requests, oldest first, in UTC.

        Raises:
            FeedbackError: The file can't be read.
        """
        today = time.time() // DAY
        return figures.days(self._database, (today - count + 1) * DAY)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._database.close()

    def _insert(self, row: Row) -> None:
        try:
            with self._database.writing() as connection:
                connection.execute(_INSERT, row)
        except FeedbackError as error:
            self.lost += 1
            if not self._failing:  # once per failure, not once per request
                logger.warning("rankings are not kept: %s", error)
            self._failing = True
        else:
            self._failing = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.path, self.texts, self._create)


def _rebuild(path: Path, texts: bool, create: bool) -> FeedbackStore:
    return FeedbackStore(path, texts=texts, create=create)


def _kept_its_order(results: Sequence[RerankResult]) -> bool:
    """Whether an outage kept the order; a threshold that left nothing did not."""
    return bool(results) and all(one.score is None for one in results)


def _order(documents: Sequence[str], results: Sequence[RerankResult] | None) -> str:
    places = range(len(documents)) if results is None else [one.index for one in results]
    return _json(list(places[:MOST_PLACES]))


def _judgement(row: Row, relevant: Sequence[int] | None) -> Row:
    """The relevant places as they are kept, and whether the first results hold one of them.

    Raises:
        InvalidInputError: A place has no document.
    """
    if relevant is None:
        return None, None, None
    count, ranking = row[0], json.loads(row[1])
    for place in relevant:
        if type(place) is not int or not 0 <= place < count:
            raise InvalidInputError(
                f"relevant must hold places from 0 to {count - 1}, got {place!r:.80}"
            )
    shown = min(TOP, len(ranking))
    first, wanted = ranking[:shown], sorted(set(relevant))
    hit = any(place in first for place in wanted)
    return _json(wanted), hit, any(place < shown for place in wanted)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
