"""Counts what a bulk job has written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from qwen_rerank.ray.columns import ERROR
from qwen_rerank.ray.files import Format, Location

SHOWN = 5
"""Reasons to show."""


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What the target of a job holds."""

    rows: int
    unscored: int
    """Rows of which some or all documents have no score."""
    reasons: list[str]
    """Of the first of them."""


def count_rows(target: Location, done: Location, kind: Format) -> BulkReport:
    """Count the rows that a job has written, and those without scores.

    Args:
        target: The output.
        done: Where Ray notes the rows that are done.
        kind: The format of the output.
    """
    from pyarrow.dataset import dataset

    rows = dataset(done.path, filesystem=done.filesystem, format="parquet").count_rows()
    errors = _line_errors(target) if kind == "jsonl" else _parquet_errors(target)
    reasons = list(islice(errors, SHOWN))
    return BulkReport(rows, len(reasons) + sum(1 for _ in errors), reasons)


def _line_errors(target: Location) -> Iterator[str]:
    """Each line ends with the key, so that most lines need not be parsed."""
    scored = f'"{ERROR}": null}}\n'.encode()
    for path in target.files():
        with target.filesystem.open_input_stream(path) as stream:
            for line in io.BufferedReader(stream):
                if not line.endswith(scored):
                    yield json.loads(line)[ERROR]


def _parquet_errors(target: Location) -> Iterator[str]:
    from pyarrow.dataset import dataset, field

    files = dataset(target.files(), filesystem=target.filesystem, format="parquet")
    scanner = files.scanner(columns=[ERROR], filter=field(ERROR).is_valid())
    for batch in scanner.to_batches():
        yield from batch.column(ERROR).to_pylist()
