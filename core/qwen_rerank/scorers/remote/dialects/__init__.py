"""The kinds of rerank servers that are spoken to, each a pure value."""

from __future__ import annotations

from qwen_rerank.errors import ConfigError
from qwen_rerank.scorers.remote.dialects.common import COMMON, GENERIC
from qwen_rerank.scorers.remote.dialects.dashscope import DASHSCOPE
from qwen_rerank.scorers.remote.dialects.deepinfra import DEEPINFRA
from qwen_rerank.scorers.remote.dialects.dialect import Dialect, Template
from qwen_rerank.scorers.remote.dialects.lists import SGLANG, TEI
from qwen_rerank.scorers.remote.dialects.own import OWN
from qwen_rerank.scorers.remote.dialects.voyage import VOYAGE

AUTO = "auto"

DIALECTS = {
    dialect.name: dialect for dialect in (OWN, *COMMON, SGLANG, TEI, VOYAGE, DASHSCOPE, DEEPINFRA)
}


def checked_dialect(name: str) -> str:
    """The name of a dialect, or `"auto"`.

    Raises:
        ConfigError: There is no such dialect.
    """
    if name not in (AUTO, *DIALECTS):
        raise ConfigError(f"dialect must be one of {', '.join([AUTO, *DIALECTS])}, got {name!r}")
    return name


__all__ = [
    "AUTO",
    "DIALECTS",
    "GENERIC",
    "OWN",
    "SGLANG",
    "TEI",
    "VOYAGE",
    "Dialect",
    "Template",
    "checked_dialect",
]
