"""The tensors of a model folder, checked by name, shape and type before any is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.scorers.local.model_folder import MERGE, QUANTISED, weight_files

TensorShape = tuple[int, ...]

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_LAYER = re.compile(r"model\.layers\.(\d+)\.")
_HINTS = {
    "lora_": MERGE,
    "scale": QUANTISED,
    "qweight": QUANTISED,
    "qzeros": QUANTISED,
    "model.layers.": "config.json describes fewer or other layers than the files hold",
    "score.bias": "the scores of a reranker have no bias",
    "score.": "config.json must name the architecture Qwen3ForSequenceClassification for them",
    "": "this is not a Qwen3 reranker as published",
}
"""By what a name holds; the first that fits is said."""


class Weights:
    """The tensors in the files of a folder.

    Args:
        folder: Only the headers of its files are read here.

    Raises:
        ModelLoadError: A file is missing, broken, or holds other numbers than floats.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}
        self.shapes: dict[str, TensorShape] = {}
        for path in weight_files(folder):
            self._read_header(path)

    def _read_header(self, path: Path) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - it is no mapping
                    part = file.get_slice(name)
                    self._check_type(name, part.get_dtype())
                    self._files[name] = path
                    self.shapes[name] = tuple(part.get_shape())
        except (SafetensorError, OSError) as error:
            raise ModelLoadError(f"{path} can't be read: {error}; download it again") from error

    def _check_type(self, name: str, dtype: str) -> None:
        if dtype not in _FLOATS:
            raise ModelLoadError(
                f"{self._folder}: {name} holds numbers of type {dtype}: {QUANTISED}"
            )

    @property
    def layers(self) -> int:
        """How many layers the tensors' names count."""
        found = (_LAYER.match(name) for name in self.shapes)
        return 1 + max((int(match[1]) for match in found if match), default=-1)

    def check(self, wanted: Mapping[str, TensorShape], optional: Collection[str]) -> None:
        """Compare the tensors with those that a model needs.

        Args:
            wanted: The name and shape of each tensor of the model.
            optional: Names of tensors that may also be there.

        Raises:
            ModelLoadError: Tensors are missing, have another shape, or nobody would read them.
        """
        self._refuse("lack", wanted.keys() - self.shapes.keys(), "are the files complete?")
        for name, shape in wanted.items():
            if self.shapes[name] != shape:
                raise ModelLoadError(
                    f"the weights in {self._folder} don't fit config.json: {name} has the shape "
                    f"{list(self.shapes[name])}, {list(shape)} is wanted"
                )
        unread = self.shapes.keys() - wanted.keys() - set(optional)
        self._refuse("hold unknown tensors", unread, _hint(unread))

    def _refuse(self, verb: str, names: Collection[str], hint: str) -> None:
        if names:
            raise ModelLoadError(
                f"the weights in {self._folder} {verb} {sorted(names)[:3]} "
                f"({len(names)} in all): {hint}"
            )

    def read(
        self, names: Collection[str], device: torch.device, dtype: torch.dtype | None
    ) -> dict[str, Tensor]:
        """Read tensors to a device, each in its own memory, and in its own dtype for `None`.

        Files that change later change nothing here.
        """
        tensors = {}
        for path in sorted({self._files[name] for name in names}):
            with safe_open(path, framework="pt") as file:
                for name in names:
                    if self._files[name] == path:
                        tensor = file.get_tensor(name)
                        tensors[name] = tensor.to(device=device, dtype=dtype, copy=True)
        return tensors

    def row(self, name: str, index: int) -> Tensor:
        """One row of a matrix in fp32, without reading the others."""
        with safe_open(self._files[name], framework="pt") as file:
            row: Tensor = file.get_slice(name)[index : index + 1][0].float()
        return row


def _hint(unread: Collection[str]) -> str:
    fitting = (hint for part, hint in _HINTS.items() if any(part in name for name in unread))
    return next(fitting, "")
