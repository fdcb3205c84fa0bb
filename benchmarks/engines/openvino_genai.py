"""OpenVINO GenAI, over a model that optimum-intel has converted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.engines.worker import Score, halves, work

NAME = "OpenVINO"
SETTINGS = ("f32", "bf16", "int8")
INSTALLS = (
    ("install", "torch==2.13.0"),
    (
        "install", "torch==2.13.0", "transformers<5.6",
        "optimum-intel", "openvino-tokenizers", "openvino-genai", "nncf",
    ),
    ("uninstall", "--yes", "torchvision"),  # it is built for another torch
)  # fmt: skip


def load() -> tuple[str, Score]:
    """In int8 its weights have 8 bits, and it computes in bf16."""
    import openvino_genai

    folder, numbers, threads = sys.argv[1:]
    settings = openvino_genai.TextRerankPipeline.Config()
    settings.padding_side = "left"
    settings.top_n = 10_000
    model: Any = openvino_genai.TextRerankPipeline(
        str(_converted(Path(folder), numbers)), "CPU", settings,
        INFERENCE_NUM_THREADS=int(threads),
        INFERENCE_PRECISION_HINT="f32" if numbers == "f32" else "bf16",
    )  # fmt: skip

    def score(query: str, documents: Sequence[str]) -> list[float]:
        return [value for _, value in sorted(model.rerank(*halves(query, documents)))]

    return openvino_genai.__version__, score


def _converted(folder: Path, numbers: str) -> Path:
    target = folder / ("openvino-int8" if numbers == "int8" else "openvino")
    if not target.is_dir():
        from optimum.exporters.openvino.convert import export_tokenizer
        from optimum.intel import OVModelForSequenceClassification, OVWeightQuantizationConfig
        from transformers import AutoTokenizer

        source, eight = folder / "classifier", OVWeightQuantizationConfig(bits=8)
        how = {"quantization_config": eight} if numbers == "int8" else {"load_in_8bit": False}
        model = OVModelForSequenceClassification.from_pretrained(source, export=True, **how)
        model.save_pretrained(target)
        export_tokenizer(AutoTokenizer.from_pretrained(source, padding_side="left"), target)
    return target


if __name__ == "__main__":
    work(load)
