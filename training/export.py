"""Write the shipped folder: fp16 safetensors, configuration, compact tokenizer, checksums.

python -m training.export --work WORK --out core/qwen_rerank/builtin
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from training.checkpoint import load_reranker
from training.checksums import write_sums

LIMIT = 34_000_000  # bytes, weights and tokenizer together
LENGTH = 8192
SHIPPED = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and export the calibrated network (or another of WORK)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="calibrated", help="which folder of WORK")
    options = parser.parse_args(arguments)
    export(options.work / options.name, options.out)


def export(source: Path, target: Path) -> None:
    """Convert a checkpoint folder; raises if the result is larger than `LIMIT`."""
    network, tokenizer = load_reranker(source)
    _check_range(network)
    network.model.half().save_pretrained(target)
    (target / "generation_config.json").unlink(missing_ok=True)
    (target / "model.safetensors").chmod(0o644)
    _name_theta(target / "config.json")
    text = json.loads(tokenizer.backend_tokenizer.to_str())
    _write(target / "tokenizer.json", text)
    _write(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": tokenizer.pad_token,
            "eos_token": tokenizer.eos_token,
            "clean_up_tokenization_spaces": False,
            "model_max_length": LENGTH,
        },
    )
    write_sums(target, SHIPPED)
    size = sum((target / name).stat().st_size for name in SHIPPED)
    if size > LIMIT:
        raise ValueError(f"{size} bytes, more than {LIMIT}: make the vocabulary or a layer smaller")


def _name_theta(path: Path) -> None:
    """Say RoPE's base where transformers 4 looks for it, too."""
    config = json.loads(path.read_text())
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    path.write_text(json.dumps(config, indent=2) + "\n")


def _check_range(network: torch.nn.Module) -> None:
    for name, weight in network.named_parameters():
        if float(weight.detach().abs().max()) > 6e4:
            raise ValueError(f"{name} does not fit in fp16")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
