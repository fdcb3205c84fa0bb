"""Gives an alias distribution the version of `qwen-rerank`, and pins it to that version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

SOURCE = Path("../../core/qwen_rerank/__init__.py")
"""From the folder of a distribution; `qwen-rerank` itself takes its version from there."""


class PinnedToQwenRerank(MetadataHookInterface):
    """Called by hatchling; `tool.hatch.metadata.hooks.custom.extra` names the framework's extra."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the version, the dependency and the optional dependencies."""
        version = _version((Path(self.root) / SOURCE).read_text("utf-8"))
        framework = self.config["extra"]
        metadata["version"] = version
        metadata["dependencies"] = [f"qwen-rerank[{framework}]=={version}"]
        metadata["optional-dependencies"] = {
            "local": [f"qwen-rerank[{framework},local]=={version}"],
        }


def _version(source: str) -> str:
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise ValueError(f"{SOURCE} has no __version__")
    return found[1]
