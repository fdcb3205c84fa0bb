"""Finds the folder of a model: built in, on this disk, or from a hub."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType

from qwen_rerank.errors import ConfigError, MissingDependencyError, ModelLoadError, QwenRerankError
from qwen_rerank.scorers.local import huggingface, modelscope

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parents[2] / "builtin"
HUB_VARIABLE = "QWEN_RERANK_HUB"
LOOK_UP_SECONDS = 4.5
"""Within this time a hub must say whether it has the model; all hubs are tried at once. With the
look into the caches, the folder is known within 5 seconds."""

HUBS: Mapping[str, ModuleType] = {"huggingface": huggingface, "modelscope": modelscope}
"""Each with `require`, `look_up`, `download` and `cached`; the first ones are preferred."""

_HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

_NO_CONTACT = "no hub may be contacted (HF_HUB_OFFLINE, or a command that only looks here)"

logger = logging.getLogger(__name__)


def find_model(model: str, hub: str | None = None, *, download: bool = True) -> Path:
    """The folder of a model, downloaded first if it has to be.

    Each hub has `LOOK_UP_SECONDS` to answer. If none delivers the model, a complete copy in
    the cache of a hub is used. With `HF_HUB_OFFLINE=1` only the caches are read.

    Args:
        model: `"builtin"`, a folder, or a hub id such as `"Qwen/Qwen3-Reranker-0.6B"`, with
            a revision if it ends in `@` and a branch, tag or commit.
        hub: `"huggingface"` or `"modelscope"`; `None` reads the environment variable
            `QWEN_RERANK_HUB`, and without it tries Hugging Face, then ModelScope if its
            package is installed.
        download: Whether hubs may be contacted.

    Raises:
        ModelLoadError: There is no such folder, and no hub or cache has the model.
        ConfigError: The hub's name is unknown.
        MissingDependencyError: The chosen hub needs a package, and its cache lacks the model.
    """
    if (folder := local_folder(model)) is not None:
        return folder
    hub_id = _HUB_ID.fullmatch(model)
    if hub_id is None:
        raise ModelLoadError(
            f"model {model!r} is neither a folder on this machine, nor a hub id such as "
            f"'Qwen/Qwen3-Reranker-0.6B', nor {BUILTIN!r}"
        )
    may_download = download and not _offline()
    return _from_hubs(hub_id[1], hub_id[2], _chosen(hub), download=may_download)


def local_folder(model: str) -> Path | None:
    """The model's folder if it is one on this machine, with symbolic links resolved."""
    if model == BUILTIN:
        return BUILTIN_FOLDER
    folder = Path(os.path.expanduser(model))  # noqa: PTH111 - Path raises for unknown users
    return folder.resolve() if folder.is_dir() else None


def _chosen(hub: str | None) -> list[str]:
    hub = hub or os.environ.get(HUB_VARIABLE) or None
    if hub is not None and hub not in HUBS:
        raise ConfigError(f"hub must be one of {sorted(HUBS)}, got {hub!r} ({HUB_VARIABLE})")
    return [hub] if hub else list(HUBS)


def _offline() -> bool:
    values = (os.environ.get(name, "").upper() for name in _OFFLINE_VARIABLES)
    return any(value in {"1", "ON", "YES", "TRUE"} for value in values)


def _from_hubs(model: str, revision: str | None, names: list[str], *, download: bool) -> Path:
    failures: dict[str, Exception] = {}
    downloaded = _download(model, revision, names, failures) if download else None
    folder = downloaded or _cached(model, revision, names)
    if folder is None:
        raise _not_found(model, failures)
    if downloaded is None and failures:
        logger.warning("using the copy in %s: %s", folder, _reasons(failures))
    return folder


def _cached(model: str, revision: str | None, names: list[str]) -> Path | None:
    found = (HUBS[name].cached(model, revision) for name in names)
    return next((folder for folder in found if folder is not None), None)


def _download(
    model: str, revision: str | None, names: list[str], failures: dict[str, Exception]
) -> Path | None:
    """The folder from the first hub that delivers; why the others did not is added."""
    usable = _usable(names, failures)
    deadline = time.monotonic() + LOOK_UP_SECONDS
    look_ups = {name: _in_thread(HUBS[name].look_up, model, revision) for name in usable}
    for name, look_up in look_ups.items():
        try:
            look_up.result(max(0.0, deadline - time.monotonic()))
            return Path(HUBS[name].download(model, revision))
        except QwenRerankError as failure:
            failures[name] = failure
        except TimeoutError:
            failures[name] = ModelLoadError(f"did not answer within {LOOK_UP_SECONDS:g} s")
        except Exception as failure:  # each hub has its own tree of errors
            logger.info("%s from %s", model, name, exc_info=True)
            failures[name] = ModelLoadError(f"failed with {type(failure).__name__}")
    return None


def _usable(names: list[str], failures: dict[str, Exception]) -> list[str]:
    """The hubs whose packages are installed, imported before the clock starts."""
    for name in names:
        try:
            HUBS[name].require()
        except MissingDependencyError as missing:
            failures[name] = missing
    return [name for name in names if name not in failures]


def _in_thread(look_up: Callable[..., None], *arguments: object) -> Future[None]:
    """In a daemon thread: a name look-up can hang, and must not keep the process alive."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            look_up(*arguments, LOOK_UP_SECONDS)
            done.set_result(None)
        except Exception as error:  # raised by result()
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="qwen-rerank-hub").start()
    return done


def _not_found(model: str, failures: Mapping[str, Exception]) -> Exception:
    if len(failures) == 1:
        [failure] = failures.values()
        if isinstance(failure, MissingDependencyError):  # of the hub that was chosen
            return failure
    return ModelLoadError(
        f"run with --model {BUILTIN}, or set HF_ENDPOINT / {HUB_VARIABLE}, or give a folder: "
        f"model {model!r} is not complete on this machine, and "
        + (f"could not be downloaded ({_reasons(failures)})" if failures else _NO_CONTACT)
    )


def _reasons(failures: Mapping[str, Exception]) -> str:
    return "; ".join(f"{name}: {failure}" for name, failure in failures.items())
