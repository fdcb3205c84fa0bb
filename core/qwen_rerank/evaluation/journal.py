"""Remembers the finished queries of an evaluation, so that an interrupted one goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from qwen_rerank.errors import ConfigError
from qwen_rerank.evaluation.run import Ranking


@dataclass(frozen=True, slots=True)
class Reranked:
    """What reranking one query gave."""

    ranking: Ranking
    seconds: float
    """How long it took."""
    not_reranked: str | None = None
    """Why its order is still the first stage's, if no scorer answered."""


class Journal:
    """A JSONL file: what is being evaluated, then a line for each finished query.

    Args:
        file: Where it is kept; `None` remembers nothing.
        subject: What makes two evaluations the same one.
    """

    def __init__(self, file: Path | None, subject: str) -> None:
        self.file, self.subject = file, subject
        self._out: TextIO | None = None

    def read(self) -> dict[str, Reranked]:
        """What an earlier run finished, by query id.

        A last line that was being written when the run died is dropped.

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
        """Note a finished query; it is in the file when this returns."""
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
        assert self._out is not None  # noqa: S101 - looked at by the callers
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def _whole_lines(file: Path) -> list[str]:
    """All but a last line that lacks its end; the file holds nothing but ASCII."""
    return [f"{line}\n" for line in file.read_text(encoding="ascii").split("\n")[:-1]]


def _reranked(line: dict[str, Any]) -> Reranked:
    ranking = [(document, score) for document, score in line["ranking"]]
    return Reranked(ranking, line["seconds"], line["not_reranked"])
