"""The tokenizer: an uncased vocabulary made for matching words, with Qwen3's special tokens.

Five choices serve a small matcher:

* white space only separates, it is never part of a token, so that a word is the same after a
  space, after a bracket, and inside Chinese text (decoding therefore loses spaces; nobody decodes);
* every CJK character is a token of its own: no segmentation that may differ between texts;
* frequent English words are one token each, since a word has a meaning that its pieces have not;
* any other word is cut into the fewest entries, long ones preferred: "refunds" is "refund" and "s",
  so that it still matches "refund" (BPE's merges cut it into "re", "fun" and "ds");
* NFKC and lower case.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from training.prompt import DOCUMENT_MARK, INSTRUCTION_MARK, QUERY_MARK

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
MARKS = [INSTRUCTION_MARK, QUERY_MARK, DOCUMENT_MARK]
ANSWERS = ["yes", "no"]
LONGEST = 12  # bytes; a longer entry is not preferred to one of this length

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
_CJK_CHARACTER = re.compile(r"[\u3400-\u9fff]")
_WORDS = (
    rf"[{_CJK}]"  # one CJK character
    rf"|[[\p{{L}}\p{{M}}]&&[^{_CJK}]]+"  # a word
    r"|\p{N}{1,4}"  # a run of up to four digits
    rf"|[^\s\p{{L}}\p{{M}}\p{{N}}{_CJK}]"  # one sign
)


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, words: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Learn ``vocab_size`` entries from ``texts``; ``words`` are whole words besides."""
    tokenizer = _blank()
    trainer = BpeTrainer(
        vocab_size=vocab_size - len(CONTROL) - len(MARKS),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_with_essentials(texts), trainer)
    tokenizer = _with_words(tokenizer, words)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in CONTROL])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in MARKS])
    dressed = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=CONTROL[0], eos_token=CONTROL[2]
    )
    _check(dressed)
    return dressed


def _with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """Add whole words, and cut by the entries instead of the merges."""
    rules = json.loads(tokenizer.to_str())
    entries = rules["model"]["vocab"]
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for word in words:
        entry = "".join(piece for piece, _ in spelling.pre_tokenize_str(word))
        entries.setdefault(entry, len(entries))
    in_order = sorted(entries, key=entries.__getitem__)
    scored = [(entry, _worth(entry, place / len(entries))) for place, entry in enumerate(in_order)]
    rules["model"] = {"type": "Unigram", "unk_id": None, "vocab": scored}
    return Tokenizer.from_str(json.dumps(rules))


def _worth(entry: str, place: float) -> float:
    """What an entry counts; the cut of the largest sum is taken.

    Each costs 1, so few are best; of as many, those with the longest entry, then the frequent ones.
    """
    return -1 + 0.003 * min(len(entry), LONGEST) ** 2 - 0.01 * place


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Read a tokenizer that `save_pretrained` wrote."""
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Ids of many texts, markers and control tokens understood, nothing added."""
    backend = tokenizer.backend_tokenizer
    return [e.ids for e in backend.encode_batch_fast(texts, add_special_tokens=False)]


def _blank() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_essentials(texts: Iterable[str]) -> Iterable[str]:
    """The texts, then what must become one token each: the answers, every CJK character in use."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(_CJK_CHARACTER.findall(text))
        yield text
    often = [c for c, count in seen.items() if count >= 10]
    for _ in range(500):
        yield " ".join(ANSWERS + often)


def _check(tokenizer: PreTrainedTokenizerFast) -> None:
    for text in CONTROL + MARKS + ANSWERS:
        if len(encode(tokenizer, [text])[0]) != 1:
            raise ValueError(f"{text!r} must be one token; give the tokenizer more text")
