"""A model in this process, loaded once and shared by all who name it."""

from __future__ import annotations

import copy
import gc
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.errors import ConfigError, QwenRerankError
from qwen_rerank.prompt import Answer, PromptSpec
from qwen_rerank.scorers.local.architectures import architecture_of
from qwen_rerank.scorers.local.checkpoint import read_checkpoint
from qwen_rerank.scorers.local.compiled import compile_layers
from qwen_rerank.scorers.local.cpu.low_precision import LAYER_KINDS, exception
from qwen_rerank.scorers.local.declared_scoring import check_template
from qwen_rerank.scorers.local.device import choose_device, choose_dtype
from qwen_rerank.scorers.local.encoder import EncodedQuery, PromptEncoder, answer_ids
from qwen_rerank.scorers.local.engine import Engine
from qwen_rerank.scorers.local.hub import find_model, local_folder
from qwen_rerank.scorers.local.model_folder import max_positions, read_config, read_tokenizer
from qwen_rerank.scorers.local.recognition import recognised_prompt
from qwen_rerank.scorers.local.revision import revision_of

logger = logging.getLogger(__name__)

Answers = tuple[str, str | None]
"""Two texts of one token, see `Answer`."""

FAILURE_SECONDS = 30.0
"""How long a failed download is raised again without a new try. A folder that fails is tried
each time: that takes no time, and people mend it and call again."""

_ANY = EncodedQuery(list(range(16)), [list(range(9))] * 2, frozenset())


class ModelKey(NamedTuple):
    """Scorers with equal keys share their weights."""

    model: str
    device: torch.device
    dtype: torch.dtype
    answers: Answers | None
    """`None` takes those of the model's own prompt."""
    compiled: bool


@dataclass(eq=False, slots=True)
class LocalModel:
    """A loaded model: what builds its prompts and the engine that answers them."""

    folder: Path
    tokenizer: Tokenizer
    max_positions: int
    engine: Engine
    device: str
    """The kind of device, such as "cuda"."""
    dtype: str
    revision: str
    """See `revision_of`."""
    prompt: PromptSpec
    """The one that the model was made for, see `recognised_prompt`."""
    _encoders: dict[PromptSpec, PromptEncoder] = field(default_factory=dict)

    def encoder(self, spec: PromptSpec) -> PromptEncoder:
        """The builder of these prompts.

        Raises:
            ModelLoadError: The model was certainly made for other prompts.
        """
        if spec not in self._encoders:
            check_template(self.folder, spec)
            self._encoders[spec] = PromptEncoder(self.tokenizer, spec, self.max_positions)
        return self._encoders[spec]


class _Failure(NamedTuple):
    error: QwenRerankError
    until: float
    """On the monotonic clock."""


_models: dict[ModelKey, LocalModel] = {}
_failures: dict[ModelKey, _Failure] = {}


class _Locks:
    """One for each model that loads; a forked child lacks the threads that were loading."""

    def __init__(self) -> None:
        run_now_and_after_fork(self.reset)

    def reset(self) -> None:
        self._of_all = threading.Lock()
        self._of_model: dict[ModelKey, threading.Lock] = {}

    def of(self, key: ModelKey) -> threading.Lock:
        with self._of_all:
            return self._of_model.setdefault(key, threading.Lock())


_locks = _Locks()


def model_key(
    model: str,
    device: str | None,
    dtype: str | None,
    prompt: PromptSpec | None,
    *,
    compiled: bool = False,
) -> ModelKey:
    """The key of a model that loads or has loaded.

    Args:
        model: See `find_model`.
        device: See `choose_device`.
        dtype: See `choose_dtype`.
        prompt: Whose answer is read from the weights; `None` takes the model's own.
        compiled: Whether torch compiles the layers.

    Raises:
        ConfigError: This machine lacks the device or the number format.
    """
    chosen = choose_device(device)
    name = str(local_folder(model) or model)
    answers = None if prompt is None else (prompt.answer.plus, prompt.answer.minus)
    return ModelKey(name, chosen, choose_dtype(dtype, chosen), answers, compiled)


def shared_model(key: ModelKey, folder: Path | None = None) -> LocalModel:
    """The one instance of a model in this process; the first caller loads it and waits.

    A hub that does not answer holds up only the callers of the model that it should deliver,
    and these only once in `FAILURE_SECONDS`.

    Args:
        key: Of the model.
        folder: Where it is, if that is known.

    Raises:
        ModelLoadError: It can't be found, downloaded or read.
        ConfigError: This machine can't compile it.
    """
    with _locks.of(key):
        if key not in _models:
            _models[key] = _try_to_load(key, folder)
        return _models[key]


def unload_model(key: ModelKey) -> None:
    """Free the memory of a model, once its running calls are done."""
    with _locks.of(key):
        unloaded = _models.pop(key, None)
    for other in [name for name, known in list(_models.items()) if known is unloaded]:
        _models.pop(other, None)
    del unloaded
    gc.collect()  # modules of torch refer to each other in cycles
    if key.device.type == "cuda":
        torch.cuda.empty_cache()


def _try_to_load(key: ModelKey, folder: Path | None) -> LocalModel:
    failure = _failures.pop(key, None)
    if failure is not None and time.monotonic() < failure.until:
        _failures[key] = failure
        raise copy.copy(failure.error)  # each raised error collects a traceback of its own
    try:
        folder = folder or find_model(key.model)
        if key.answers is None:  # shared with those who name the same ones
            told = recognised_prompt(folder, key.model, partial(read_tokenizer, folder)).answer
            return shared_model(key._replace(answers=(told.plus, told.minus)), folder)
        # in a thread of its own: a forked child may not use the OpenMP threads that its
        # forking thread had in the parent, and the caller keeps none that it does not need
        with ThreadPoolExecutor(1, "qwen-rerank-load") as thread:
            return thread.submit(_load, folder, key, key.answers).result()
    except QwenRerankError as error:
        if local_folder(key.model) is None:
            _failures[key] = _Failure(copy.copy(error), time.monotonic() + FAILURE_SECONDS)
        raise


def _load(folder: Path, key: ModelKey, answers: Answers) -> LocalModel:
    start = time.monotonic()
    positions, tokenizer = max_positions(folder), read_tokenizer(folder)
    prompt = recognised_prompt(folder, key.model, lambda: tokenizer)
    if key.compiled and not architecture_of(read_config(folder)).packs:
        raise ConfigError(f"compiled=True does not work with the layers of {folder}")
    if key.compiled and key.device.type == "cpu" and key.dtype in LAYER_KINDS:
        raise ConfigError(f"compiled=True does not go with {key.dtype} on a CPU, only with float32")
    ids = answer_ids(tokenizer, Answer(*answers))
    checkpoint = read_checkpoint(folder, tokenizer, ids, key.device, key.dtype)
    engine = Engine(checkpoint)
    if key.compiled:
        compile_layers(checkpoint.backbone, lambda: engine.log_odds([_ANY]))
    seconds = time.monotonic() - start
    logger.info("loaded %s on %s in %s, %.1f s", folder, key.device, key.dtype, seconds)
    if key.device.type == "cpu" and (done := exception(key.dtype, checkpoint.width)):
        name = str(key.dtype).removeprefix("torch.")
        logger.warning("dtype %s for %s: %s", name, folder, done)
    revision = revision_of(folder)
    kind, dtype = key.device.type, str(key.dtype)
    return LocalModel(folder, tokenizer, positions, engine, kind, dtype, revision, prompt)
