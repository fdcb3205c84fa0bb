"""Writes rankings, for which nobody should have to wait or fail."""

from __future__ import annotations

import logging
import time

from qwen_rerank.errors import FeedbackError, InvalidInputError
from qwen_rerank.feedback.database import Database, InUseError, Row
from qwen_rerank.feedback.ranking import INSERT
from qwen_rerank.scorers.breaker import CircuitBreaker

QUICK = 0.05
"""Seconds that a ranking waits for others who are in the file."""

logger = logging.getLogger(__name__)


class RankingWriter:
    """Writes rows; failures are counted, and logged once until they heal."""

    def __init__(self, database: Database) -> None:
        self.lost = 0
        """Rankings that could not be kept."""
        self._database, self._failing = database, False
        self._breaker = CircuitBreaker()

    def keep(self, row: Row, patience: float) -> FeedbackError | None:
        """Write a row, and say what was wrong with the file.

        Raises:
            InvalidInputError: There is a ranking of this id already.
        """
        try:
            self._insert(row, patience)
        except FeedbackError as error:
            self._lose(error)
            return error
        self._failing = False
        return None

    def keep_quickly(self, row: Row) -> None:
        """The same within 50 ms; what made a ranking wait so long is left alone for 10 s.

        A file that fails at once is tried again each time, and so is one that another thread
        of this process uses, for that is over soon.
        """
        if not self._breaker.admit():
            self.lost += 1
            return
        start = time.monotonic()
        try:
            error = self.keep(row, QUICK)
        except BaseException:
            self._breaker.abandoned()
            raise
        self._report(error, slow=time.monotonic() - start > QUICK / 2)

    def _report(self, error: FeedbackError | None, *, slow: bool) -> None:
        if isinstance(error, InUseError):  # the thread in the file will tell how it is
            self._breaker.abandoned()
        elif error and slow:
            self._breaker.failed(at_once=True)
        else:
            self._breaker.succeeded()

    def _insert(self, row: Row, patience: float) -> None:
        with self._database.writing(patience) as connection:
            if not connection.execute(INSERT, row).rowcount:
                raise InvalidInputError(f"there is a ranking with the id {row[0]!r:.80} already")

    def _lose(self, error: FeedbackError) -> None:
        self.lost += 1
        if not self._failing:  # once per failure, not once per request
            logger.warning("rankings are not kept: %s", error)
        self._failing = True
