"""Scores a Ray Data dataset with actors that each hold the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from qwen_rerank.extras import require_extras
from qwen_rerank.keywords import RerankerKeywords
from qwen_rerank.ray.actors import Actors
from qwen_rerank.ray.arrow import TableReranker
from qwen_rerank.ray.columns import Columns, Output
from qwen_rerank.ray.settings import BulkSettings

if TYPE_CHECKING:
    from ray.data import Dataset

ROWS_PER_CALL = 64
"""Rows that a scorer gets at once: as many as it tokenises at a time."""


def rerank_dataset(
    dataset: Dataset,
    *,
    query: str = "query",
    documents: str = "documents",
    output: Output = "scores",
    top_n: int | None = None,
    actors: int | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    **settings: Unpack[RerankerKeywords],
) -> Dataset:
    """Add scores or rankings to each row.

    A row that can't be scored keeps its place, with the reason in `rerank_error`, and so does a
    row of which some documents have no score. An outage of a server stops the job, unless
    `on_error="original_order"`.

    Args:
        dataset: Any dataset of Ray Data that has these columns.
        query: The column of the query.
        documents: The column of the documents, a list of texts; or of one text, the only
            document of its row.
        output: `"scores"` adds `scores`, P("yes") of each document in the row's order, or
            `score` where each row has one document. `"ranking"` adds `ranking`, best first: a
            list of `index`, the document's place in the row, and `score`.
        top_n: The most documents in a ranking; `None` means all.
        actors: How many actors hold the model. `None` means one for each GPU of the cluster, or
            one for each machine if there are none.
        num_cpus: Cores of an actor; a model on a CPU computes with so many threads. `None` means
            all cores of the machine.
        num_gpus: GPUs of an actor. `None` means 1 if the cluster has GPUs.
        **settings: Of the scorer, by name, see `RerankerSettings`. Scores are not cached unless
            `cache_ttl` says so.

    Returns:
        The dataset, not computed yet, with `rerank_error` and the column that `output` names.

    Raises:
        ConfigError: A setting is unknown or has a wrong value.
        MissingDependencyError: Ray Data is not installed.
    """
    require_extras("ray")
    given: dict[str, Any] = dict(settings)  # pydantic turns what came into the types of the fields
    columns = Columns(query, documents, output, top_n)
    options = Actors(actors, num_cpus, num_gpus).options()
    return map_rows(dataset, TableReranker, BulkSettings(**given), columns, options)


def map_rows(
    dataset: Dataset,
    reranker: type,
    settings: BulkSettings,
    columns: Columns,
    options: dict[str, Any],
) -> Dataset:
    """Give each batch of a dataset to actors of a class; the options are those of `Actors`."""
    return dataset.map_batches(
        reranker,
        fn_constructor_args=(settings, columns),
        batch_size=ROWS_PER_CALL,
        batch_format="pyarrow",
        udf_modifying_row_count=False,
        **options,
    )
