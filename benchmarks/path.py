"""Counts what runs between an adapter and the model: frames, files and lines of code.

    PYTHONPATH=core:. python -m benchmarks.path

One call of `compress_documents` on the built-in model, loaded before, with texts that no cache
knows. Counted is this project's code until the backbone's forward pass begins: functions that
were entered with their lines and files, and the stack at the forward pass: the caller's, which
waits there, and the device thread's. Code of torch, LangChain and Python's own library is left out,
and so are comprehensions, which have no frame of their own from Python 3.12 on.
"""

from __future__ import annotations

import inspect
import sys
import threading
from types import CodeType, FrameType
from typing import Any

from langchain_core.documents import Document

import qwen_rerank
from langchain_qwen_rerank import QwenRerank

PACKAGES = ("qwen_rerank", "langchain_qwen_rerank")
COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")


class Path:
    """Notes the project's functions, while it is on, until the model's forward pass."""

    def __init__(self) -> None:
        self.entered: set[CodeType] = set()
        self.stacks: dict[int, list[CodeType]] = {}
        """Of each thread, the project's functions on its stack."""
        self.at_forward: list[CodeType] = []
        self.on = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """What `sys.setprofile` calls."""
        if not self.on or event not in ("call", "return"):
            return
        stack = self.stacks.setdefault(threading.get_ident(), [])
        if frame.f_code.co_name == "forward" and "modeling_qwen3" in frame.f_code.co_filename:
            self.at_forward = [code for one in self.stacks.values() for code in one]
            self.on = False
        elif is_ours(frame) and event == "call":
            self.entered.add(frame.f_code)
            stack.append(frame.f_code)
        elif is_ours(frame) and stack:
            stack.pop()


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs a function of this project, written by hand."""
    name = str(frame.f_globals.get("__name__", ""))
    if frame.f_code.co_name in COMPREHENSIONS:
        return False
    return name.partition(".")[0] in PACKAGES and not frame.f_code.co_filename.startswith("<")


def lines(codes: set[CodeType]) -> int:
    """Lines of the functions, each once; a nested one counts with the one around it."""
    seen = set()
    for code in codes:
        text, first = inspect.getsourcelines(code)
        seen |= {
            (code.co_filename, first + place) for place, line in enumerate(text) if line.strip()
        }
    return len(seen)


def main() -> None:
    """Print the figures and the functions."""
    path = Path()
    threading.setprofile(path)  # also reaches the device's thread, which starts later
    reranker = QwenRerank(model="builtin", device="cpu")
    documents = [Document("A refund takes five days."), Document("The office is in Hangzhou.")]
    reranker.compress_documents(documents, "warm up")
    sys.setprofile(path)
    path.on = True
    reranker.compress_documents(documents, "How long does a refund take?")
    sys.setprofile(None)
    files = sorted({code.co_filename for code in path.entered})
    on_stack = {code.co_filename for code in path.at_forward}
    print(f"frames {len(path.at_forward)}, in {len(on_stack)} files:")
    print("  " + " > ".join(code.co_qualname for code in path.at_forward))
    print(f"entered: {len(files)} files, {lines(path.entered)} lines of functions")
    root = str(qwen_rerank.__file__).removesuffix("core/qwen_rerank/__init__.py")
    for file in files:
        names = sorted(c.co_qualname for c in path.entered if c.co_filename == file)
        print(f"  {file.removeprefix(root)}: {', '.join(names)}")


if __name__ == "__main__":
    main()
