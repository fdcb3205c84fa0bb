"""A model in this process, loaded once and shared by all who name it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer

from qwen_rerank._threads import reset_after_fork
from qwen_rerank.prompt import PromptSpec
from qwen_rerank.scorers.local.checkpoint import max_positions, read_checkpoint, read_tokenizer
from qwen_rerank.scorers.local.compiled import compile_layers
from qwen_rerank.scorers.local.cpu.openmp import release_openmp_threads
from qwen_rerank.scorers.local.device import choose_device, choose_dtype
from qwen_rerank.scorers.local.encoder import EncodedQuery, PromptEncoder, answer_ids
from qwen_rerank.scorers.local.engine import Engine
from qwen_rerank.scorers.local.hub import find_model, local_folder
from qwen_rerank.scorers.local.revision import revision_of

logger = logging.getLogger(__name__)

Answers = tuple[str, str]

_ANY = EncodedQuery(list(range(16)), [list(range(9))] * 2, frozenset())


class _Key(NamedTuple):
    """What makes two scorers share their weights, each in its one true spelling."""

    model: str
    device: torch.device
    dtype: torch.dtype
    answers: Answers
    compiled: bool


@dataclass(eq=False, slots=True)
class LocalModel:
    """A loaded model: what builds its prompts and the engine that answers them."""

    tokenizer: Tokenizer
    max_positions: int
    engine: Engine
    device: str
    """The kind of device, such as "cuda"."""
    dtype: str
    revision: str
    """See `revision_of`."""
    _encoders: dict[PromptSpec, PromptEncoder] = field(default_factory=dict)

    def encoder(self, spec: PromptSpec) -> PromptEncoder:
        """The builder of these prompts."""
        if spec not in self._encoders:
            self._encoders[spec] = PromptEncoder(self.tokenizer, spec, self.max_positions)
        return self._encoders[spec]


_models: dict[_Key, LocalModel] = {}


class _Locks:
    """Of the models that are loading; a forked child lacks the threads that were loading."""

    def __init__(self) -> None:
        self.reset()
        reset_after_fork(self.reset)

    def reset(self) -> None:
        self.registry = threading.Lock()
        self.of_model: dict[_Key, threading.Lock] = {}
        self.reading = threading.Lock()
        """transformers patches its classes while it reads weights: one model at a time."""


_locks = _Locks()


def shared_model(
    model: str, device: str | None, dtype: str | None, answers: Answers, *, compiled: bool = False
) -> LocalModel:
    """The one instance of a model in this process; the first caller loads it, in its thread.

    A hub that does not answer holds up only the callers of the model that it should deliver.

    Args:
        model: See `find_model`.
        device: See `choose_device`.
        dtype: See `choose_dtype`.
        answers: The words whose tokens answer, "yes" and "no".
        compiled: Whether torch compiles the layers.

    Raises:
        ModelLoadError: It can't be found, downloaded or read.
        ConfigError: This machine lacks the device or the number format, or can't compile it.
    """
    chosen = choose_device(device)
    name = str(local_folder(model) or model)
    key = _Key(name, chosen, choose_dtype(dtype, chosen), answers, compiled)
    with _locks.registry:
        loading = _locks.of_model.setdefault(key, threading.Lock())
    with loading:
        if key not in _models:
            _models[key] = _load(find_model(key.model), key)
        return _models[key]


def _load(folder: Path, key: _Key) -> LocalModel:
    start = time.monotonic()
    positions, tokenizer = max_positions(folder), read_tokenizer(folder)
    answers = answer_ids(tokenizer, key.answers)
    with _locks.reading:
        checkpoint = read_checkpoint(folder, tokenizer, answers, key.device, key.dtype)
        engine = Engine(checkpoint)
    release_openmp_threads(key.device)
    if key.compiled:
        compile_layers(checkpoint.backbone, lambda: engine.log_odds([_ANY]))
    seconds = time.monotonic() - start
    logger.info("loaded %s on %s in %s, %.1f s", folder, key.device, key.dtype, seconds)
    revision = revision_of(folder)
    return LocalModel(tokenizer, positions, engine, key.device.type, str(key.dtype), revision)
