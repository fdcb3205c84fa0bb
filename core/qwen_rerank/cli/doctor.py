"""`qwen-rerank doctor`: what would be used, why, and whether it answers sensibly."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qwen_rerank import (
    CrossEncoderScorer,
    ModelLoadError,
    QwenRerankError,
    RemoteScorer,
    Scorer,
    ScorerError,
    __version__,
    load_scorer,
)
from qwen_rerank.cli.options import add_settings, given_settings
from qwen_rerank.cli.precision import add_comparison, comparison, products
from qwen_rerank.scorers.local.hub import find_model
from qwen_rerank.scorers.local.model_folder import (
    check_files,
    max_positions,
    read_config,
    read_tokenizer,
)
from qwen_rerank.settings import ScorerSettings
from qwen_rerank.types import RerankRequest

SAMPLE_QUERY = "What is the capital of China?"
RIGHT = "The capital of China is Beijing."
WRONG = "Gravity is a force that attracts two bodies towards each other."
"""From the model card; Qwen3-Reranker-0.6B scores them 0.9995 and far below 0.001."""

PACKAGES = ("torch", "transformers", "langchain-core", "llama-index-core", "modelscope")


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="show what would be used, and test it")
    add_comparison(parser)
    add_settings(parser, ScorerSettings)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print one finding a line; raises what a user of these settings would meet first."""
    settings = ScorerSettings(**given_settings(arguments, ScorerSettings))
    problems: list[QwenRerankError] = []
    for name, finding in _findings(settings, arguments, problems):
        print(f"{name:<18}{finding}")
    if problems:
        raise problems[0]


def _findings(
    settings: ScorerSettings, arguments: argparse.Namespace, problems: list[QwenRerankError]
) -> Iterator[tuple[str, str]]:
    yield "qwen-rerank", f"{__version__}, Python {platform.python_version()}"
    for package in PACKAGES:
        yield package, _version(package)
    compare = partial(comparison, arguments)
    parts = (_servers, compare) if settings.base_url else (_machine, _model, _canary, compare)
    for part in parts:  # one that fails does not end the report, unless there is no model
        try:
            yield from part(settings)
        except QwenRerankError as error:
            if str(error) not in map(str, problems):
                yield "problem", " ".join(str(error).split())
            problems.append(error)
            if isinstance(error, ModelLoadError):
                return


def _servers(settings: ScorerSettings) -> Iterator[tuple[str, str]]:
    remote = _scorer(settings)
    assert isinstance(remote, RemoteScorer)  # noqa: S101 - base_url is set
    for checkup in remote.check():
        yield "server", f"{checkup.base_url} speaks the dialect {checkup.dialect}"
        yield "canary", ", ".join("none" if s is None else f"{s:.4f}" for s in checkup.scores)
        if checkup.problem:
            raise ScorerError(f"{checkup.base_url}: {checkup.problem}")


def _machine(settings: ScorerSettings) -> Iterator[tuple[str, str]]:
    _scorer(settings)  # raises if torch or transformers is missing or too old
    import torch

    from qwen_rerank.scorers.local.device import choose_device, choose_dtype

    device = choose_device(settings.device)
    why = "as set" if settings.device else f"torch sees {torch.cuda.device_count()} CUDA devices"
    yield "device", f"{device} ({why}; {torch.get_num_threads()} CPU threads)"
    why = "as set" if settings.dtype else "bf16 on a GPU that has it, fp32 elsewhere"
    yield "dtype", f"{choose_dtype(settings.dtype, device)} ({why})"


def _model(settings: ScorerSettings) -> Iterator[tuple[str, str]]:
    folder = find_model(settings.model, download=_can_score(settings))
    yield "model", f"{settings.model} in {folder}"
    if isinstance(_scorer(settings), CrossEncoderScorer):
        yield "engine", f"sentence-transformers {_version('sentence-transformers')}"
        return
    read_config(folder)
    check_files(folder)
    if find_spec("tokenizers") is not None:  # which comes with transformers
        yield from _tokens(folder, settings)
    if settings.dtype is not None and find_spec("torch") is not None:
        yield from products(settings, settings.dtype)


def _tokens(folder: Path, settings: ScorerSettings) -> Iterator[tuple[str, str]]:
    from qwen_rerank.scorers.local.encoder import PromptEncoder, answer_ids
    from qwen_rerank.scorers.local.recognition import recognised_prompt

    positions, tokenizer = max_positions(folder), read_tokenizer(folder)
    spec = settings.prompt or recognised_prompt(folder, settings.model, lambda: tokenizer)
    plus, minus = answer_ids(tokenizer, spec.answer)
    against = f", {spec.answer.minus} is token {minus}" if minus is not None else ""
    yield "answers", f"{spec.answer.plus} is token {plus}{against} (Qwen3: 9693, 2152)"
    encoded = PromptEncoder(tokenizer, spec, positions).encode(RerankRequest(SAMPLE_QUERY, [RIGHT]))
    lengths = len(encoded.prefix), len(encoded.documents[0])
    yield "prompt", f"{lengths[0]} + {lengths[1]} tokens for the test pair (Qwen3: 69 + 16)"
    yield "positions", f"{positions} tokens at most"


def _canary(settings: ScorerSettings) -> Iterator[tuple[str, str]]:
    right, wrong = _scorer(settings).score(SAMPLE_QUERY, [RIGHT, WRONG])
    yield "canary", f"{right:.4f} for the right answer, {wrong:.2g} for a wrong one"
    if right <= wrong:
        raise ScorerError(
            f"the model prefers a wrong answer to {SAMPLE_QUERY!r}: are its weights whole?"
        )


def _can_score(settings: ScorerSettings) -> bool:
    """Whether packages and settings allow scoring, once the model is there."""
    try:
        _scorer(settings)
    except QwenRerankError:
        return False
    return True


def _scorer(settings: ScorerSettings) -> Scorer:
    """The scorer of these settings alone: no cache and no fallback."""
    return load_scorer(settings.model_copy(update={"cache_ttl": None, "fallback": None}))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
