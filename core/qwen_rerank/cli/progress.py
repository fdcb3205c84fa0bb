"""A bar for a long call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qwen_rerank.call import Call


@contextmanager
def document_bar(total: int) -> Iterator[None]:
    """Count the documents that the local model scores inside, on a terminal with tqdm."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield
        return
    with tqdm(total=total, unit="document", leave=False, disable=None) as bar:
        call = Call(on_batch=lambda report: bar.update(report.documents))
        with call.active():
            yield
