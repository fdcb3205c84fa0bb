"""Which columns a bulk job reads, and which ones it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from qwen_rerank.errors import ConfigError
from qwen_rerank.ray.row_scorer import ScoredRow

Output = Literal["scores", "ranking"]

ERROR = "rerank_error"
"""The column that says why a row, or some of its documents, have no score."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns, and the form of the result.

    Raises:
        ConfigError: `output` is unknown, or `top_n` does not fit it.
    """

    query: str = "query"
    documents: str = "documents"
    """A list of texts, or one text, the only document."""
    output: Output = "scores"
    """`"scores"`: those of all documents in the row's order, in a column `scores`, or in a column
    `score` if a row has one document. `"ranking"`: index and score of each, best first."""
    top_n: int | None = None
    """The most documents in a ranking; `None` means all."""

    def __post_init__(self) -> None:
        if self.output not in get_args(Output):
            raise ConfigError(f"output must be one of {get_args(Output)}, got {self.output!r}")
        if self.top_n is not None and (self.top_n < 1 or self.output != "ranking"):
            raise ConfigError(
                f"top_n must be at least 1 and needs output 'ranking', got {self.top_n} with "
                f"{self.output!r}"
            )

    def result_name(self, *, one_each: bool) -> str:
        """The column of results; with one document in each row there is one score."""
        return "score" if one_each and self.output == "scores" else self.output

    def result(self, row: ScoredRow, *, one_each: bool) -> Any:
        """The value in that column; `None` for a row without scores."""
        if row.results is None:
            return None
        if self.output == "ranking":
            return [{"index": r.index, "score": r.score} for r in row.results[: self.top_n]]
        scores = [result.score for result in sorted(row.results, key=lambda r: r.index)]
        return scores[0] if one_each else scores
