"""JSONL in a bulk job: each line is scored and written as it is, with keys added.

Ray's own reader makes typed columns of the lines. That fails where two lines differ in a type,
and at the first line that is not JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from ray.data.block import BlockAccessor
from ray.data.datasource import BlockBasedFileDatasink, FileBasedDatasource

from qwen_rerank.ray.columns import ERROR, Columns
from qwen_rerank.ray.row_scorer import RowScorer, ScoredRow
from qwen_rerank.ray.settings import BulkSettings

ROW = "rerank_row"
"""The place of a line, as "file:number"; it tells done lines from others."""
LINE = "line"
LINES_PER_BLOCK = 256


class LineSource(FileBasedDatasource):
    """A row for each line that is not blank, with its place and its bytes."""

    def _read_stream(self, f: pa.NativeFile, path: str) -> Iterator[pa.Table]:
        lines = enumerate(io.BufferedReader(f), start=1)
        rows = ({ROW: f"{path}:{number}", LINE: line} for number, line in lines if line.strip())
        while block := list(islice(rows, LINES_PER_BLOCK)):
            yield pa.Table.from_pylist(block)


class LineSink(BlockBasedFileDatasink):
    """Writes the lines of each block into a file."""

    def write_block_to_file(self, block: BlockAccessor, file: pa.NativeFile) -> None:
        """Called by Ray."""
        file.write(b"".join(block.to_arrow().column(LINE).to_pylist()))


class LineReranker:
    """What an actor of Ray Data calls for each batch of lines."""

    def __init__(self, settings: BulkSettings, columns: Columns) -> None:
        self._columns = columns
        self._scorer = RowScorer(settings)

    def __call__(self, table: pa.Table) -> pa.Table:
        """The same lines with results, or with the reason why there are none."""
        places = table.column(ROW).to_pylist()
        given = [_parsed(line) for line in table.column(LINE).to_pylist()]
        scored = self._scorer.score([self._row(keys) for keys in given])
        lines = [
            _line({**keys, ROW: place, **self._result(keys, row)})
            for keys, place, row in zip(given, places, scored, strict=True)
        ]
        return pa.table({ROW: places, LINE: lines})

    def _row(self, keys: dict[str, Any]) -> tuple[Any, Any]:
        """Query and documents of a line; what is missing or wrong is `None` or as it came."""
        documents = keys.get(self._columns.documents)
        return keys.get(self._columns.query), [documents] if _is_one(documents) else documents

    def _result(self, keys: dict[str, Any], row: ScoredRow) -> dict[str, Any]:
        one_each = _is_one(keys.get(self._columns.documents))
        name = self._columns.result_name(one_each=one_each)
        error = keys.get(ERROR) or row.error
        return {name: self._columns.result(row, one_each=one_each), ERROR: error}


def _is_one(documents: object) -> bool:
    return isinstance(documents, str)


def _parsed(line: bytes) -> dict[str, Any]:
    """The keys of a line, or why there are none."""
    try:
        keys = json.loads(line)
    except ValueError as error:  # not UTF-8, or not JSON
        return {ERROR: f"not JSON: {error}"}
    return keys if isinstance(keys, dict) else {ERROR: f"wanted a JSON object, got {keys!r:.50}"}


def _line(keys: dict[str, Any]) -> bytes:
    return json.dumps(keys, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
