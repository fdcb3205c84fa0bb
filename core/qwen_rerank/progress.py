"""How far a call with many documents has come."""

from __future__ import annotations

from qwen_rerank.types import OnProgress


class Progress:
    """Adds up what several calls report, for one who wants to hear of the whole.

    Args:
        tell: Hears of it, whenever more is done than before; `None` if nobody wants to.
        total: How many documents there are in all.
    """

    def __init__(self, tell: OnProgress | None, total: int) -> None:
        self._tell = tell
        self._told = 0
        self.total = total

    def after(self, earlier: int) -> OnProgress | None:
        """What a call is given that begins when that many documents are done."""
        if self._tell is None:
            return None
        return lambda done, _: self.reached(earlier + done)

    def reached(self, done: int) -> None:
        """Note that this many documents are done; less than before is no news."""
        if self._tell is not None and done > self._told:
            self._told = done
            self._tell(done, self.total)
