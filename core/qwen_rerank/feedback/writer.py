"""Writes rankings without failing or delaying the call that made them."""

from __future__ import annotations

import logging
import time

from qwen_rerank.errors import FeedbackError, InvalidInputError
from qwen_rerank.feedback.database import Database, InUseError, Row
from qwen_rerank.feedback.ranking import INSERT

RANKING_TIMEOUT = 0.05
"""Seconds that a ranking waits while another thread or process writes."""
PAUSE_SECONDS = 10.0
"""How long no ranking is written after one waited in vain for another process."""

logger = logging.getLogger(__name__)


class RankingWriter:
    """Writes rankings. Failures are counted; the first of several in a row is logged."""

    def __init__(self, database: Database) -> None:
        self.lost = 0
        """Rankings that were not stored."""
        self._database, self._failing = database, False
        self._paused_until = 0.0

    def write(self, row: Row, timeout: float) -> FeedbackError | None:
        """Write a row. Returns what was wrong with the file, if anything.

        Raises:
            InvalidInputError: A ranking has this id already.
        """
        try:
            self._insert(row, timeout)
        except FeedbackError as error:
            self._lose(error)
            return error
        self._failing = False
        return None

    def write_quickly(self, row: Row) -> None:
        """Write a row within 50 ms.

        After a ranking waited in vain for another process, none is written for 10 s. A file
        that fails at once, or that another thread of this process uses, is tried each time.
        """
        start = time.monotonic()
        if start < self._paused_until:
            self.lost += 1
            return
        error = self.write(row, RANKING_TIMEOUT)
        slow = time.monotonic() - start > RANKING_TIMEOUT / 2
        if error is not None and slow and not isinstance(error, InUseError):
            self._paused_until = time.monotonic() + PAUSE_SECONDS

    def _insert(self, row: Row, timeout: float) -> None:
        with self._database.writing(timeout) as connection:
            if not connection.execute(INSERT, row).rowcount:
                raise InvalidInputError(f"a ranking with the id {row[0]!r:.80} exists already")

    def _lose(self, error: FeedbackError) -> None:
        self.lost += 1
        if not self._failing:
            logger.warning("rankings are not stored: %s", error)
        self._failing = True
