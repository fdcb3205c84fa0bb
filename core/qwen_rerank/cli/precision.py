"""What another number format does to a user's own ranking, for `qwen-rerank doctor`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, get_args

from qwen_rerank import load_scorer
from qwen_rerank.cli.documents import read_documents
from qwen_rerank.errors import ConfigError, InvalidInputError
from qwen_rerank.evaluation.agreement import agreement
from qwen_rerank.scorers.local.hub import find_model
from qwen_rerank.scorers.local.model_folder import read_config
from qwen_rerank.settings import DType, ScorerSettings


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is compared."""
    group = parser.add_argument_group("comparing number formats, on a query and documents of yours")
    text = "score in this dtype and in --dtype [float32], and show what moves"
    group.add_argument("--compare", metavar="DTYPE", choices=get_args(DType), help=text)
    group.add_argument("--query", help="with --compare: what the documents are ranked for")
    group.add_argument("--documents", metavar="FILE", help="with --compare: one on each line")


def comparison(
    arguments: argparse.Namespace, settings: ScorerSettings
) -> Iterator[tuple[str, str]]:
    """The finding, if one is wanted.

    Raises:
        QwenRerankError: There is nothing to compare, or it can't be scored.
    """
    if arguments.compare is None:
        return
    if settings.base_url is not None:
        raise ConfigError("--compare needs the model in this process, not a base_url")
    if arguments.query is None or arguments.documents is None:
        raise InvalidInputError(
            "--compare needs --query and --documents, a file with a document a line"
        )
    documents = read_documents(arguments.documents)
    if len(documents) < 2:
        raise InvalidInputError(
            f"--compare needs 2 documents, {arguments.documents} has {len(documents)}"
        )
    formats = settings.dtype or "float32", arguments.compare
    first, second = (_scores(settings, name, arguments.query, documents) for name in formats)
    found = agreement(first, second)
    yield from products(settings, arguments.compare)
    yield "compare", f"{formats[1]} against {formats[0]}, {len(documents)} documents"
    yield "Kendall's tau", f"{found.tau:.4f} (1 is the same order)"
    yield "log-odds", f"differ by {found.mean:.3f} on average, by {found.largest:.3f} at most"


def products(settings: ScorerSettings, dtype: DType) -> Iterator[tuple[str, str]]:
    """The finding, if a CPU can't do the products of this number format."""
    from qwen_rerank.scorers.local.cpu.low_precision import NARROW, exception
    from qwen_rerank.scorers.local.device import choose_device, choose_dtype

    device = choose_device(settings.device)
    width = read_config(find_model(settings.model, download=False)).get("hidden_size", NARROW)
    if device.type == "cpu" and (done := exception(choose_dtype(dtype, device), width)):
        yield "products", f"{dtype}: {done}"


def _scores(settings: ScorerSettings, dtype: Any, query: str, documents: list[str]) -> list[float]:
    """Scores without a cache; the model is unloaded afterwards."""
    own = {"dtype": dtype, "cache_ttl": None, "fallback": None}
    scorer = load_scorer(settings.model_copy(update=own))
    try:
        return list(scorer.score(query, documents, instruction=settings.instruction))
    finally:
        if hasattr(scorer, "unload"):
            scorer.unload()
