"""A model in this process, loaded once and shared by all who name it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from qwen_rerank.local.checkpoint import read_checkpoint, read_config, read_tokenizer
from qwen_rerank.local.device import choose_device, choose_dtype
from qwen_rerank.local.encoder import PromptEncoder
from qwen_rerank.local.engine import Engine
from qwen_rerank.local.hub import find_model
from qwen_rerank.prompt import PromptSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What makes two scorers share their weights."""

    model: str
    device: str | None
    dtype: str | None
    prompt: PromptSpec


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A loaded model: the encoder of its prompts and the engine that answers them."""

    encoder: PromptEncoder
    engine: Engine


_models: dict[ModelKey, LocalModel] = {}
_registry = threading.Lock()
_loading: dict[ModelKey, threading.Lock] = {}


def shared_model(key: ModelKey) -> LocalModel:
    """The one instance of a model in this process; the first caller loads it.

    Raises:
        ModelLoadError: It can't be found, downloaded or read.
        ConfigError: Its device or number format is not to be had here.
    """
    with _registry:
        loading = _loading.setdefault(key, threading.Lock())
    with loading:
        if key not in _models:
            _models[key] = _load(key)
        return _models[key]


def _load(key: ModelKey) -> LocalModel:
    start = time.monotonic()
    device = choose_device(key.device)
    dtype = choose_dtype(key.dtype, device)
    folder = find_model(key.model)
    config = read_config(folder)
    encoder = PromptEncoder(
        read_tokenizer(folder), key.prompt, int(config["max_position_embeddings"])
    )
    engine = Engine(read_checkpoint(folder, encoder.answer_ids(), device, dtype))
    seconds = time.monotonic() - start
    logger.info("loaded %s (%s) on %s in %s, %.1f s", key.model, folder, device, dtype, seconds)
    return LocalModel(encoder, engine)
