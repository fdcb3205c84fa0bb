"""Models of the Hugging Face hub, or of the mirror that `HF_ENDPOINT` names."""

from __future__ import annotations

from pathlib import Path

from qwen_rerank.errors import MissingDependencyError, ModelLoadError
from qwen_rerank.scorers.local.model_folder import FILES, is_complete

DOWNLOAD_LOOK_UP_SECONDS = 5.0
"""For what the hub says about each file."""


def require() -> None:
    """Import the hub's package, which can take longer than the hub.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
    """
    try:
        import huggingface_hub.hf_api  # noqa: F401 - for look_up
    except ImportError as error:
        raise MissingDependencyError("huggingface_hub", "local") from error


def look_up(model: str, revision: str | None, seconds: float) -> None:
    """Ask the hub whether it has a model.

    Raises:
        ModelLoadError: It has not, or it gives no sensible reply.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().model_info(model, revision=revision, timeout=seconds)
    except RevisionNotFoundError as error:
        raise ModelLoadError(f"has no revision {revision!r} of it") from error
    except RepositoryNotFoundError as error:  # gated ones, too
        raise ModelLoadError("has no such model, or it needs HF_TOKEN") from error
    except Exception as error:  # requests or httpx, which differ between versions
        raise ModelLoadError(f"can't be reached ({type(error).__name__})") from error


def download(model: str, revision: str | None) -> str:
    """Fetch what scoring needs into the hub's cache; returns the folder."""
    from huggingface_hub import snapshot_download

    return snapshot_download(
        model, revision=revision, allow_patterns=FILES, etag_timeout=DOWNLOAD_LOOK_UP_SECONDS
    )


def cached(model: str, revision: str | None) -> Path | None:
    """The folder of a complete copy in the hub's cache.

    `snapshot_download` itself refuses a copy from which some unneeded file was filtered.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    config = try_to_load_from_cache(model, "config.json", revision=revision)
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder is not None and is_complete(folder) else None
