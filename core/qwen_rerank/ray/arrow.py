"""Scores Arrow tables: what a bulk job does with Parquet, and with any dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.ray.columns import ERROR, Columns
from qwen_rerank.ray.row_scorer import RowScorer
from qwen_rerank.ray.settings import BulkSettings

if TYPE_CHECKING:
    from pyarrow import ChunkedArray, DataType, Table


class TableReranker:
    """What an actor of Ray Data calls for each batch."""

    def __init__(self, settings: BulkSettings, columns: Columns) -> None:
        self._columns = columns
        self._scorer = RowScorer(settings)

    def __call__(self, table: Table) -> Table:
        """The table with a column of results and one of errors.

        Raises:
            InvalidInputError: A column is missing.
        """
        import pyarrow as pa

        queries = _column(table, self._columns.query)
        documents = _column(table, self._columns.documents)
        one_each = pa.types.is_string(documents.type) or pa.types.is_large_string(documents.type)
        texts = documents.to_pylist()
        lists = [[text] for text in texts] if one_each else texts
        rows = self._scorer.score(list(zip(queries.to_pylist(), lists, strict=True)))
        name = self._columns.result_name(one_each=one_each)
        results = [self._columns.result(row, one_each=one_each) for row in rows]
        table = table.append_column(name, pa.array(results, _types()[name]))
        return table.append_column(ERROR, pa.array([row.error for row in rows], pa.string()))


def _column(table: Table, name: str) -> ChunkedArray:
    if name not in table.column_names:
        raise InvalidInputError(f"there is no column {name!r} among {table.column_names}")
    return table.column(name)


def _types() -> dict[str, DataType]:
    """Of the columns of results, so that a table without any score has them, too."""
    import pyarrow as pa

    score = pa.float64()
    ranked = pa.struct([("index", pa.int64()), ("score", score)])
    return {"score": score, "scores": pa.list_(score), "ranking": pa.list_(ranked)}
