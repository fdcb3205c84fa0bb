"""Chooses where a model runs and in which number format."""

from __future__ import annotations

import torch

from qwen_rerank.errors import ConfigError
from qwen_rerank.printable import first_line

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
    "int8": torch.int8,
}


def choose_device(device: str | None) -> torch.device:
    """The named device, or the best one here: CUDA, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: The name is unknown, or the device is not there.
    """
    if device is None:
        return torch.device(_best())
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(
            f"device must be a torch device such as 'cuda:0', got {device!r}"
        ) from error
    try:
        torch.empty(1, device=chosen).tolist()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {device!r} can't be used here: {first_line(error)}") from error
    return chosen


def choose_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """The named format, or bf16 on a GPU that has it and fp32 anywhere else.

    Raises:
        ConfigError: The name is unknown, or the device has no such products.
    """
    if dtype is None:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    if dtype not in _DTYPES:
        raise ConfigError(f"dtype must be one of {sorted(_DTYPES)}, got {dtype!r}")
    if dtype == "int8" and device.type != "cpu":
        raise ConfigError(f"dtype 'int8' is for CPUs, the device is {device}: use 'bfloat16' there")
    return _DTYPES[dtype]


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
