"""Reads a `PromptSpec` from a JSON file."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from qwen_rerank.errors import ConfigError
from qwen_rerank.prompt import PromptSpec


def read_prompt(path: Path) -> PromptSpec:
    """The prompt in a file: an object with the fields of `PromptSpec`, and in `answer` of `Answer`.

    Raises:
        ConfigError: The file can't be read, a field is unknown or wrong, or the template is.
    """
    try:
        return TypeAdapter(PromptSpec).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise ConfigError(f"prompt names the file {path}: {error.strerror}") from None
    except ValidationError as error:
        reasons = map(_reason, error.errors(include_url=False))
        raise ConfigError(f"{path}: {'; '.join(reasons)}") from None


def _reason(error: ErrorDetails) -> str:
    if error["type"] == "value_error":  # what `PromptSpec` raised
        return str(error["ctx"]["error"])
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg'].lower()}" if place else error["msg"]
