"""Flags made from settings, so that each setting is said once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from qwen_rerank.settings import VARIABLE, ScorerSettings

NOT_FLAGS = {"scorer", "api_key"}
"""An object can't be typed. A key would show in the process list; it has its variable."""


def add_settings(parser: argparse.ArgumentParser, settings: type[ScorerSettings]) -> None:
    """Give a command one flag per setting; values are checked by the settings themselves."""
    group = parser.add_argument_group(
        "settings", f"each may also come from the environment variable {VARIABLE}<NAME>"
    )
    names = (name for name in settings.model_fields if name not in NOT_FLAGS)
    add_flags(group.add_argument, settings, names)


def add_flags(
    add: Callable[..., object], settings: type[ScorerSettings], names: Iterable[str]
) -> None:
    """A flag for each of these settings, with its description and default as the help."""
    for name in names:
        field = settings.model_fields[name]
        text = f"{field.description} [{field.default}]".replace("`", "").replace("%", "%%")
        flag = "--" + name.replace("_", "-")
        add(flag, default=argparse.SUPPRESS, metavar="VALUE", help=text)


def given_settings(arguments: argparse.Namespace, settings: type[ScorerSettings]) -> dict[str, Any]:
    """The settings that stand on the command line; `none` means None."""
    given = {name: vars(arguments)[name] for name in settings.model_fields if name in arguments}
    return {name: None if value.lower() == "none" else value for name, value in given.items()}


def count(text: str) -> int:
    """A number of things, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number from 1, got {text!r}")
    return int(text)
