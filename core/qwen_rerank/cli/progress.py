"""A bar for work that takes long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qwen_rerank.types import OnProgress


@contextmanager
def document_bar() -> Iterator[OnProgress | None]:
    """Counts documents, on a terminal only; without tqdm there is nothing to see."""
    bar = None
    with suppress(ImportError):
        from tqdm import tqdm

        bar = tqdm(unit="document", leave=False, disable=None)
    if bar is None:
        yield None
        return

    def tell(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    with bar:
        yield tell
