"""A bulk job: files in, files out, and what is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from qwen_rerank.errors import ConfigError, InvalidInputError
from qwen_rerank.extras import require_extras
from qwen_rerank.ray.actors import Actors
from qwen_rerank.ray.arrow import TableReranker
from qwen_rerank.ray.columns import Columns
from qwen_rerank.ray.dataset import map_rows
from qwen_rerank.ray.failures import reason_of_failure
from qwen_rerank.ray.files import Format, Location, file_format
from qwen_rerank.ray.report import BulkReport, count_rows
from qwen_rerank.ray.settings import BulkSettings

if TYPE_CHECKING:
    from ray.data import Dataset

    AddResults = Callable[[Dataset, type, str], Dataset]

PARQUET_ROW = "row_hash"
"""Ray's own column for the row of a Parquet file, made of the file's path and the row's place."""

OTHER_CORES = 2
"""Beside the actors with a model: one to read and write, one for Ray's actor that skips rows."""

DECISIVE = {
    "model", "instruction", "dtype", "max_length", "long_documents", "prompt", "engine",
    "base_url", "dialect", "template", "fallback", "max_candidates", "candidates_by",
}  # fmt: skip
"""The settings that scores depend on."""


@dataclass(frozen=True)
class BulkJob:
    """Scores all rows of a file or folder and writes them to a folder, in any order.

    Ray Data notes which rows each finished output file holds, in a folder beside the output.
    The same job, run again, removes unfinished files and scores the rows that are not noted.

    Args:
        source: A JSONL or Parquet file, or a folder of them; a path or a URL that pyarrow knows.
        target: The folder to write to.
        settings: Of the scorer.
        columns: What to read and to write.
        actors: What scores.
        rows_per_file: Rows of an output file. An interruption costs the work on files that were
            not finished.
    """

    source: str
    target: str
    settings: BulkSettings = field(default_factory=BulkSettings)
    columns: Columns = field(default_factory=Columns)
    actors: Actors = field(default_factory=Actors)
    rows_per_file: int = 1000

    def run(self) -> BulkReport:
        """Do what is left to do; then count what the target holds.

        Raises:
            ConfigError: The target holds files of another job.
            InvalidInputError: The source holds no such files.
            MissingDependencyError: Ray Data is not installed.
            QwenRerankError: What an actor met, such as an outage. What is finished is kept.
            ray.exceptions.RayError: An actor failed in another way.
        """
        require_extras("ray")
        source, target = Location.of(self.source), Location.of(self.target)
        progress = target.beside(".progress")
        kind = file_format(source)
        self._claim(target, progress, kind)
        # first, because reading starts Ray, perhaps with too few cores
        add_results = partial(self._add_results, progress, self.actors.options(OTHER_CORES))
        write = self._write_lines if kind == "jsonl" else self._write_parquet
        with reason_of_failure():
            write(source, target, add_results)
        return count_rows(target, progress / "rows", kind)

    def _claim(self, target: Location, progress: Location, kind: Format) -> None:
        """Make sure that scores of two jobs never mix."""
        settings = self.settings.model_dump(mode="json", include=DECISIVE)
        subject = {"format": kind, "columns": asdict(self.columns), "settings": settings}
        note = progress / "job.json"
        found = note.read()
        if found is None and target.files():
            raise ConfigError(f"{target.path} holds files already: choose another folder")
        if found is not None and json.loads(found) != subject:
            raise ConfigError(
                f"{target.path} belongs to a job with other settings or columns: choose another "
                f"folder, or remove this one and {progress.path}"
            )
        note.write(json.dumps(subject).encode())

    def _write_lines(self, source: Location, target: Location, add_results: AddResults) -> None:
        import ray

        from qwen_rerank.ray.jsonl import ROW, LineReranker, LineSink, LineSource

        lines = LineSource(source.files(), filesystem=source.filesystem)
        sink = LineSink(target.path, filesystem=target.filesystem, file_format="jsonl")
        add_results(ray.data.read_datasource(lines), LineReranker, ROW).write_datasink(sink)

    def _write_parquet(self, source: Location, target: Location, add_results: AddResults) -> None:
        import ray

        table = ray.data.read_parquet(
            source.files(), filesystem=source.filesystem, include_row_hash=True
        )
        self._check_columns(table.schema().names)
        rows = add_results(table, TableReranker, PARQUET_ROW)
        rows.write_parquet(target.path, filesystem=target.filesystem)

    def _check_columns(self, names: list[str]) -> None:
        for name in (self.columns.query, self.columns.documents):
            if name not in names:
                raise InvalidInputError(f"{self.source}: there is no column {name!r} among {names}")

    def _add_results(
        self,
        progress: Location,
        options: dict[str, Any],
        rows: Dataset,
        reranker: type,
        row: str,
    ) -> Dataset:
        """The rows that are not done yet, with their results."""
        from ray.data.checkpoint import CheckpointConfig

        rows.context.raise_original_map_exception = True
        rows.context.checkpoint_config = CheckpointConfig(
            row,
            (progress / "rows").path,
            override_filesystem=progress.filesystem,
            delete_checkpoint_on_success=False,
        )
        parts = rows.repartition(target_num_rows_per_block=self.rows_per_file)
        return map_rows(parts, reranker, self.settings, self.columns, options)
