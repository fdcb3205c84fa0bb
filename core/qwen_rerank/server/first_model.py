"""`python -m qwen_rerank.server.first_model`: which model `start.sh` serves.

Prints its name. It is Qwen3-Reranker, downloaded with a progress bar from the first hub that
has it, or the built-in one, with a plain notice, where no hub or cache delivers it.
"""

from __future__ import annotations

import sys

from qwen_rerank.errors import QwenRerankError
from qwen_rerank.prompt import DEFAULT_MODEL
from qwen_rerank.scorers.local.hub import BUILTIN, find_model
from qwen_rerank.scorers.local.model_folder import check_files


def choose() -> str:
    """The model; downloads what is not here yet, and says on stderr if it is the built-in one."""
    try:
        check_files(find_model(DEFAULT_MODEL))
    except QwenRerankError as error:
        _say(f"{error}")
        _say(
            f"No hub can deliver {DEFAULT_MODEL} here. Using the small built-in model instead: it "
            "shows how everything works, and is no match for Qwen3-Reranker. To use another one: "
            "./start.sh --model /path/to/its/folder"
        )
        return BUILTIN
    return DEFAULT_MODEL


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.stdout.write(f"{choose()}\n")
