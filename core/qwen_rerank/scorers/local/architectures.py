"""The model architectures that run here, by the names that transformers gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_rerank.errors import ModelLoadError


@dataclass(frozen=True, slots=True)
class Architecture:
    """One kind of decoder."""

    name: str
    config: str
    """The class of its configuration in transformers."""
    backbone: str
    """The class of the model without a head."""
    packs: bool = True
    """Whether all layers are attention, so that prompts can stand in one row."""

    def classes(self) -> tuple[Any, Any]:
        """Both classes.

        Raises:
            ModelLoadError: This version of transformers lacks them.
        """
        import transformers

        if not hasattr(transformers, self.backbone):
            raise ModelLoadError(
                f"transformers {transformers.__version__} has no {self.backbone}: install a newer "
                "transformers"
            )
        return getattr(transformers, self.config), getattr(transformers, self.backbone)


_QWEN2 = Architecture("Qwen2", "Qwen2Config", "Qwen2Model")
_QWEN3 = Architecture("Qwen3", "Qwen3Config", "Qwen3Model")
_QWEN3_5 = Architecture("Qwen3.5", "Qwen3_5TextConfig", "Qwen3_5TextModel", packs=False)

CAUSAL = {
    "Qwen3ForCausalLM": _QWEN3,
    "Qwen2ForCausalLM": _QWEN2,
    "Qwen3_5ForCausalLM": _QWEN3_5,
}
"""Language models, whose answer is read from the rows of two tokens."""

CLASSIFIERS = {
    "Qwen3ForSequenceClassification": _QWEN3,
    "Qwen2ForSequenceClassification": _QWEN2,
}
"""The same models converted to one or two labels."""


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """What a checked `config.json` names."""
    return {**CAUSAL, **CLASSIFIERS}[config["architectures"][0]]
