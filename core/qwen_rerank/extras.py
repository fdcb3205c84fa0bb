"""The optional packages: which extra installs what, and what is missing here."""

from __future__ import annotations

from importlib.util import find_spec

from qwen_rerank.errors import MissingDependencyError

MODULES = {
    "local": ("torch", "transformers"),
    "sentence-transformers": ("torch", "transformers", "sentence_transformers"),
    "langchain": ("langchain_core",),
    "llama-index": ("llama_index.core",),
    "server": ("asgi_correlation_id", "fastapi", "prometheus_client", "uvicorn"),
    "ui": ("streamlit",),
    "ray": ("ray", "pyarrow"),
    "eval": ("bm25s", "faiss", "ir_measures", "matplotlib", "sklearn", "tqdm"),
}
"""Extra -> the modules that it brings."""


def require_extras(*extras: str) -> None:
    """Raise unless all modules of these extras are installed.

    Raises:
        MissingDependencyError: It names every missing module and every extra to install.
    """
    missing = {extra: _missing(extra) for extra in extras}
    wanted = [extra for extra, modules in missing.items() if modules]
    if wanted:
        modules = ", ".join(name for names in missing.values() for name in names)
        raise MissingDependencyError(modules, ",".join(wanted))


def require_package(package: str, extra: str, module: str | None = None) -> None:
    """Raise unless a package is installed; imports nothing.

    Args:
        package: The name under which pip installs it.
        extra: The extra that brings it.
        module: What is imported, where that has another name.

    Raises:
        MissingDependencyError: It names the package and the extra.
    """
    if not _is_installed(module or package):
        raise MissingDependencyError(package, extra)


def _missing(extra: str) -> list[str]:
    return [name for name in MODULES[extra] if not _is_installed(name)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above a module such as llama_index.core
        return False
