"""What the model card's code computes, step by step, as the truth to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
TASK = "Given a web search query, retrieve relevant passages that answer the query"


class OfficialReranker:
    """Left-padded prompts, logits over the whole vocabulary, softmax over "no" and "yes"."""

    def __init__(self, folder: Path, max_length: int = 8192) -> None:
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"),
            pad_token="<|endoftext|>",
            padding_side="left",
        )
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.max_length = max_length

    def prompts(
        self, query: str, documents: Sequence[str], instruction: str | None = None
    ) -> list[list[int]]:
        """Token ids: the body is tokenised as one string and cut at its end."""
        task = instruction or TASK
        before = self.tokenizer.encode(PREFIX, add_special_tokens=False)
        after = self.tokenizer.encode(SUFFIX, add_special_tokens=False)
        bodies = self.tokenizer(
            [f"<Instruct>: {task}\n<Query>: {query}\n<Document>: {d}" for d in documents],
            padding=False,
            truncation="longest_first",
            return_attention_mask=False,
            max_length=self.max_length - len(before) - len(after),
        )["input_ids"]
        return [before + body + after for body in bodies]

    def score(
        self, query: str, documents: Sequence[str], instruction: str | None = None
    ) -> list[float]:
        """P("yes") for each document, three at a time: logits over all positions are large."""
        prompts = self.prompts(query, documents, instruction)
        batches = [prompts[start : start + 3] for start in range(0, len(prompts), 3)]
        return [score for batch in batches for score in self._scores(batch)]

    @torch.inference_mode()
    def _scores(self, prompts: list[list[int]]) -> list[float]:
        batch = self.tokenizer.pad({"input_ids": prompts}, padding=True, return_tensors="pt").to(
            self.model.device
        )
        logits = self.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits[:, -1, :]
        yes, no = (self.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
        answers = torch.stack([logits[:, no], logits[:, yes]], dim=1)
        scores: list[float] = torch.nn.functional.log_softmax(answers, dim=1)[:, 1].exp().tolist()
        return scores
