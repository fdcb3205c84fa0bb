"""Tells what to install."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from qwen_rerank.errors import MissingDependencyError

PACKAGES = {
    "serve": ("ray", "fastapi", "asgi_correlation_id", "prometheus_client"),
    "data": ("ray", "pyarrow"),
}


def require_ray(library: Literal["serve", "data"]) -> None:
    """Raise MissingDependencyError unless a library of Ray is there, with what it needs here."""
    for package in PACKAGES[library]:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "ray")
