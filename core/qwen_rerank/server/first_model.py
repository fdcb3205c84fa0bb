"""`python -m qwen_rerank.server.first_model`: which model `start.sh` serves.

Prints two words, the model and the hub to take it from. The model is Qwen3-Reranker,
downloaded with a progress bar from the first hub that has it, or the built-in one, with a
plain notice, when no hub answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.prompt import DEFAULT_MODEL
from qwen_rerank.scorers.local.hub import BUILTIN, find_model

PATIENCE = 5.0
"""Seconds within which a hub has to answer."""


def addresses() -> Mapping[str, str]:
    """Where each hub tells about the model, in the order of preference."""
    face = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    scope = os.environ.get("MODELSCOPE_DOMAIN", "www.modelscope.cn")
    return {
        "huggingface": f"{face}/api/models/{DEFAULT_MODEL}",
        "modelscope": f"https://{scope}/api/v1/models/{DEFAULT_MODEL}",
    }


def choose(hubs: Mapping[str, str]) -> tuple[str, str]:
    """The model and its hub; downloads what is not here yet.

    Without any hub, an earlier download is used if it is whole, and else the built-in
    model, which is said on stderr.
    """
    with ThreadPoolExecutor(len(hubs)) as pool:
        answers = dict(zip(hubs, pool.map(_answers, hubs.values()), strict=True))
    for hub in sorted(hubs, key=lambda hub: not answers[hub]):
        try:
            folder = find_model(DEFAULT_MODEL, hub, download=answers[hub])
        except QwenRerankError as error:
            _say(f"{hub}: {error}" if answers[hub] else f"{hub} does not answer")
            continue
        if any(folder.glob("*.safetensors")):
            return DEFAULT_MODEL, hub
    _say(
        f"No hub can deliver {DEFAULT_MODEL} here. Using the small built-in model instead: it "
        "shows how everything works, and is no match for Qwen3-Reranker. To use another one: "
        "./start.sh --model /path/to/its/folder"
    )
    return BUILTIN, "none"


def _answers(address: str) -> bool:
    """Whether a hub is there: a portal or a proxy may answer in its place, but not in JSON."""
    try:
        request = Request(address, headers={"Accept": "application/json"})  # noqa: S310 - ours
        with urlopen(request, timeout=PATIENCE) as reply:  # noqa: S310
            return isinstance(json.loads(reply.read(1 << 20)), dict)
    except (OSError, ValueError):
        return False


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.stdout.write(" ".join(choose(addresses())) + "\n")
