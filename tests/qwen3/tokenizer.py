"""Rebuilds Qwen3's tokenizer from the rank file that the `dashscope` package ships."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from tiktoken.load import load_tiktoken_bpe
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers.models import BPE
from transformers.convert_slow_tokenizer import bytes_to_unicode

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CONTROL = (
    "endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start "
    "quad_end vision_start vision_end vision_pad image_pad video_pad"
).split()
_TOOL_CALL = ["<tool_call>", "</tool_call>"]
_CODE = [f"<|{n}|>" for n in "fim_prefix fim_middle fim_suffix fim_pad repo_name file_sep".split()]
_THOUGHT = ["<tool_response>", "</tool_response>", "<think>", "</think>"]


@cache
def build_tokenizer() -> Tokenizer:
    """The tokenizer of the Qwen3 family: 151,643 ranks and 26 added tokens.

    Built once in a process, which takes seconds: nobody may change it.
    """
    ranks = load_tiktoken_bpe(str(_rank_file()))
    letters = bytes_to_unicode()
    spell = {token: "".join(letters[byte] for byte in token) for token in ranks}
    merges = [_last_merge(ranks, token) for token in ranks if len(token) > 1]
    tokenizer = Tokenizer(
        BPE(
            {spell[token]: rank for token, rank in ranks.items()},
            [(spell[left], spell[right]) for left, right in merges],
        )
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre.Sequence(
        [
            pre.Split(Regex(_WORDS), behavior="isolated"),
            pre.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(f"<|{name}|>", normalized=False, special=True) for name in _CONTROL]
    plain = [AddedToken(t, normalized=False) for t in [*_TOOL_CALL, *_CODE, *_THOUGHT]]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(plain)
    return tokenizer


def _rank_file() -> Path:
    package = find_spec("dashscope")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "resources" / "qwen.tiktoken"


def _last_merge(ranks: dict[bytes, int], token: bytes) -> tuple[bytes, bytes]:
    """The two parts that remain when a token is built from bytes by earlier merges only."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        joins = [ranks.get(left + right, len(ranks)) for left, right in pairwise(parts)]
        place = joins.index(min(joins))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    left, right = parts
    return left, right
