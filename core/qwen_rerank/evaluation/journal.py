"""Keeps the finished queries of an evaluation in a file, so that it can continue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from qwen_rerank.errors import ConfigError
from qwen_rerank.evaluation.run import Ranking


@dataclass(frozen=True, slots=True)
class Reranked:
    """The result of reranking one query."""

    ranking: Ranking
    seconds: float
    """How long it took."""
    not_reranked: str | None = None
    """Why the query kept the first stage's order, if it did."""


class Journal:
    """A JSONL file: the evaluation's subject, then a line for each finished query.

    Args:
        file: The file; `None` keeps nothing.
        subject: A hash of everything that the rankings depend on.
    """

    def __init__(self, file: Path | None, subject: str) -> None:
        self.file, self.subject = file, subject
        self._out: TextIO | None = None

    def read(self) -> dict[str, Reranked]:
        """The queries that an earlier run finished, by id.

        An incomplete last line, from a run that was killed, is dropped.

        Raises:
            ConfigError: The file belongs to another evaluation.
        """
        if self.file is None or not self.file.exists():
            return {}
        first, *lines = [json.loads(line) for line in _whole_lines(self.file)] or [None]
        if first is not None and first != {"subject": self.subject}:
            raise ConfigError(
                f"{self.file} belongs to an evaluation with other data or settings: "
                "remove it, or choose another output folder"
            )
        return {line["query"]: _reranked(line) for line in lines}

    def add(self, query: str, found: Reranked) -> None:
        """Write a finished query to the file."""
        if self._out is None:
            return
        line = {"query": query, "ranking": found.ranking, "seconds": found.seconds}
        self._write({**line, "not_reranked": found.not_reranked})

    def __enter__(self) -> Journal:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._out = self.file.open("a", encoding="utf-8", newline="\n")
            whole = _whole_lines(self.file)
            self._out.truncate(sum(map(len, whole)))
            if not whole:
                self._write({"subject": self.subject})
        return self

    def __exit__(self, *_: object) -> None:
        if self._out is not None:
            self._out.close()

    def _write(self, line: dict[str, Any]) -> None:
        assert self._out is not None  # noqa: S101 - the callers have checked it
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def _whole_lines(file: Path) -> list[str]:
    """All lines that end with a line break; the file holds only ASCII."""
    return [f"{line}\n" for line in file.read_text(encoding="ascii").split("\n")[:-1]]


def _reranked(line: dict[str, Any]) -> Reranked:
    ranking = [(document, score) for document, score in line["ranking"]]
    return Reranked(ranking, line["seconds"], line["not_reranked"])
