"""Builds the wheels and tries them away from the source: bare, and with each extra alone.

The READMEs of the aliases run as printed.

`make wheel` runs it. Each try has a fresh environment in a temporary folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from tests.examples.pages import blocks_of

ROOT = Path(__file__).parents[2]
TORCH = os.environ.get("TORCH", "torch==2.13.0")

BARE = """
import sys, qwen_rerank
from qwen_rerank.testing import FakeScorer
assert qwen_rerank.load(scorer=FakeScorer()).rerank("a b", ["c", "a"])[0].index == 1
try:
    qwen_rerank.load()
except qwen_rerank.MissingDependencyError as error:
    assert ".[local]" in str(error), error
else:
    raise SystemExit("torch is missing and nobody said so")
"""
LANGCHAIN = """
from langchain_core.documents import Document
from langchain_qwen_rerank import QwenRerank
from qwen_rerank.testing import FakeScorer
found = [Document("c"), Document("a")]
ranked = QwenRerank(scorer=FakeScorer()).compress_documents(found, "a b")
assert ranked[0].metadata["relevance_score"] == 0.5
import langchain_classic.retrievers
"""
LLAMA_INDEX = """
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index_qwen_rerank import QwenRerank
from qwen_rerank.testing import FakeScorer
found = [NodeWithScore(node=TextNode(text=text)) for text in "ca"]
ranked = QwenRerank(scorer=FakeScorer()).postprocess_nodes(found, query_str="a b")
assert ranked[0].score == 0.5
"""
LOCAL = """
import qwen_rerank
results = qwen_rerank.load(model="builtin").rerank(
    "How long does a refund take?",
    ["The office is in Hangzhou.", "A refund takes five working days."],
)
assert results[0].index == 1, results
"""
MODELSCOPE = "import modelscope, qwen_rerank"
BM25 = """
import qwen_rerank
from qwen_rerank.testing import FakeScorer
reranker = qwen_rerank.load(scorer=FakeScorer(), max_candidates=2)
assert reranker.rerank("red wine", ["blue", "red", "wine red"])[0].index == 2
"""
FAISS = "import faiss, langchain_community.vectorstores, llama_index.vector_stores.faiss"
EVAL = "import qwen_rerank.evaluation.dense, qwen_rerank.evaluation.metrics"
SPLITTING = """
from qwen_rerank.splitting import split_markdown
assert split_markdown("# One\\n\\ntext")[0].headings == ("One",)
"""
SERVER = """
import sys, qwen_rerank.server.app
assert "streamlit" not in sys.modules
"""
UI = "import streamlit, qwen_rerank.server.app"
REDIS = "import redis, qwen_rerank"
TRACING = """
import opentelemetry.trace, qwen_rerank
from qwen_rerank.testing import FakeScorer
assert qwen_rerank.load(scorer=FakeScorer()).rerank("a b", ["c", "a"])[0].index == 1
"""
MTEB = """
from qwen_rerank.evaluation.mteb import MTEBReranker
from qwen_rerank.testing import FakeScorer
assert MTEBReranker("builtin", scorer=FakeScorer()).mteb_model_meta.is_cross_encoder
"""

TRIES = {
    "": BARE,
    "langchain": LANGCHAIN,
    "llama-index": LLAMA_INDEX,
    "local": LOCAL,
    "faiss": FAISS,
    "modelscope": MODELSCOPE,
    "bm25": BM25,
    "eval": EVAL,
    "splitting": SPLITTING,
    "server": SERVER,
    "ui": UI,
    "redis": REDIS,
    "tracing": TRACING,
    "mteb": MTEB,
}
ALIASES = ("langchain-qwen-rerank", "llama-index-postprocessor-qwen-rerank")


def main() -> None:
    """Exit with an error at the first try that fails."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = _build(Path(folder))
        _check_contents(wheel)
        for extra, code in TRIES.items():
            print(f"{wheel.name} [{extra or 'nothing'}]", flush=True)
            _try(Path(folder) / f"env-{extra}", wheel, extra, code)
        for name in ALIASES:
            _try_alias(Path(folder) / name, name, wheel)


def _build(folder: Path, source: Path = ROOT, *kinds: str) -> Path:
    _run(sys.executable, "-m", "build", *kinds, "--outdir", str(folder / "dist"), str(source))
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel


def _try_alias(folder: Path, name: str, wheel: Path) -> None:
    """Beside the main wheel in a fresh environment, where the snippet of its README runs."""
    source = ROOT / "aliases" / name
    alias = _build(folder, source, "--wheel")
    print(f"{alias.name} [local]", flush=True)
    if shared := set(zipfile.ZipFile(alias).namelist()) & set(zipfile.ZipFile(wheel).namelist()):
        raise SystemExit(f"{alias.name} and {wheel.name} both hold {shared}")
    [snippet] = [block.code for block in blocks_of(source / "README.md") if block.kind == "python"]
    python = _new_python(folder / "environment")
    _run(python, "-m", "pip", "install", "--quiet", TORCH, str(wheel), f"{alias}[local]")
    _run(python, "-m", "pip", "check")
    _run(python, "-c", snippet, cwd=folder)


def _check_contents(wheel: Path) -> None:
    """Three packages, each typed; no folder named core, no tests."""
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"qwen_rerank", "langchain_qwen_rerank", "llama_index_qwen_rerank"}
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    if top != packages:
        raise SystemExit(f"the wheel must hold {packages}, it holds {top}")
    missing = {f"{package}/py.typed" for package in packages} - set(names)
    if missing:
        raise SystemExit(f"the wheel lacks {missing}")


def _try(environment: Path, wheel: Path, extra: str, code: str) -> None:
    python = _new_python(environment)
    wanted = [f"{wheel}[{extra}]" if extra else str(wheel)]
    _run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        *([TORCH] if extra in {"local", "mteb"} else []),
        *wanted,
    )
    _run(python, "-c", code, cwd=environment)
    _run(str(environment / "bin" / "qwen-rerank"), "--version", cwd=environment)


def _new_python(environment: Path) -> str:
    venv.create(environment, with_pip=True)
    return str(environment / "bin" / "python")


def _run(*command: str, cwd: Path = ROOT) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    if subprocess.run(command, cwd=cwd, env=clean, check=False).returncode:
        raise SystemExit(f"failed: {' '.join(command)[:200]}")


if __name__ == "__main__":
    main()
