"""Saving and resuming: the network as transformers writes it, the optimizer beside it."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from training.network import Reranker
from training.tokenizer import encode, load_tokenizer


@dataclass
class Progress:
    """How far a run is: steps, document tokens seen, seconds spent training."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def load_reranker(folder: Path) -> tuple[Reranker, PreTrainedTokenizerFast]:
    """A network folder (wired, checkpoint or shipped) in fp32, with its tokenizer."""
    tokenizer = load_tokenizer(folder)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    yes, no = (encode(tokenizer, [word])[0][0] for word in ("yes", "no"))
    return Reranker(model, yes, no), tokenizer


def save(
    folder: Path,
    network: Reranker,
    tokenizer: PreTrainedTokenizerFast,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write beside, then swap, so that a reader never finds half a checkpoint."""
    fresh = folder.with_name(folder.name + ".new")
    network.model.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    torch.save(optimizer.state_dict(), fresh / "optimizer.pt")
    (fresh / "progress.json").write_text(json.dumps(asdict(progress)))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def resume(folder: Path, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the optimizer's state and the progress of a checkpoint."""
    optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
    return Progress(**json.loads((folder / "progress.json").read_text()))
