"""Keeps the first stage's run, so that the same evaluation does not search again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qwen_rerank.evaluation.run import Run


def saved_run(file: Path, subject: str, make: Callable[[], Run]) -> Run:
    """The run in a file, or a new one that is written there.

    Args:
        file: JSON of an earlier call; its folder is made if it is missing.
        subject: Everything that the run depends on; a file with another subject, or a damaged
            one, is replaced.
        make: Makes the run.
    """
    key = hashlib.sha256(subject.encode()).hexdigest()
    saved = _read(file)
    if saved.get("subject") == key:
        return {
            query: [(document, score) for document, score in ranking]
            for query, ranking in saved["run"].items()
        }
    run = make()
    _write(file, {"subject": key, "run": run})
    return run


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write the file as a whole: an interruption leaves the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(file)
