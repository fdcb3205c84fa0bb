"""Prepare a run: tokenizer, codes, wired network, mined examples, all in one working folder.

    python -m training.prepare --data DATA --work WORK --teachers FOLDER

The mined examples serve calibration and evaluation.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training import mining
from training.codes import make_codes
from training.frequencies import frequent_words
from training.layout import IDENTITY, LETTERS, MEANING, TOPIC
from training.meanings import embed_entries, main_directions
from training.sources import Pair, is_held_out, read_pairs
from training.teachers import Embed, embedders
from training.tokenizer import encode, train_tokenizer
from training.wiring import make_config, wire

WINDOW = 100  # tokens in which words count as occurring together


def main() -> None:
    """Read the arguments and prepare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.jsonl.gz")
    parser.add_argument("--work", type=Path, required=True, help="folder to write")
    parser.add_argument("--teachers", type=Path, required=True, help="folder of training.teachers")
    parser.add_argument("--vocabulary", type=int, default=9000, help="entries besides whole words")
    parser.add_argument("--words", type=int, default=18000, help="whole English words")
    options = parser.parse_args()
    train = options.data / "train"
    passages = read_pairs(train / "paras.jsonl.gz")
    pairs = read_pairs(train / "pairs.jsonl.gz")
    asked = read_pairs(train / "sent_pairs.jsonl.gz")
    words = frequent_words(_texts(passages), options.teachers, options.words)
    _, embed = embedders(options.teachers)
    prepare(passages, pairs, asked, options.work, options.vocabulary, words, embed)


def prepare(
    passages: Sequence[Pair],
    pairs: Sequence[Pair],
    sentence_pairs: Sequence[Pair],
    work: Path,
    vocabulary: int,
    words: Sequence[str],
    embed: Embed,
) -> None:
    """Write ``work``/wired (network and tokenizer), meanings.npy and examples.jsonl.gz."""
    work.mkdir(parents=True, exist_ok=True)
    np.save(
        work / "meanings.npy",
        start(passages, pairs, work / "wired", vocabulary, words, embed),
    )
    examples = [
        *mining.mine_all(sentence_pairs, passages, "sentence"),
        *mining.mine_all(pairs, passages, "passage"),
        *mining.mine_all(clozes(passages, random.Random(0)), passages, "sentence"),
    ]
    mining.save(examples, work / "examples.jsonl.gz")


def start(
    passages: Sequence[Pair],
    pairs: Sequence[Pair],
    folder: Path,
    vocabulary: int,
    words: Sequence[str],
    embed: Embed,
) -> np.ndarray:
    """The tokenizer and the wired network, from the texts that are not held out.

    Gives the teacher's vector of each entry, (V, 384).
    """
    texts = _texts(passages)
    queries = [p.query for p in pairs if not is_held_out(p)]
    tokenizer = train_tokenizer(texts + queries, vocabulary, words)
    ids = encode(tokenizer, texts)
    windows = [row[i : i + WINDOW] for row in ids for i in range(0, len(row), WINDOW)]
    vectors = embed_entries(tokenizer, embed)
    meanings = main_directions(vectors, MEANING)
    codes = make_codes(tokenizer, windows, (IDENTITY, LETTERS, TOPIC), meanings)
    wire(make_config(len(tokenizer)), tokenizer, codes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return vectors


def _texts(passages: Sequence[Pair]) -> list[str]:
    return [p.document for p in passages if not is_held_out(p)]


def clozes(passages: Sequence[Pair], chance: random.Random, share: float = 0.5) -> list[Pair]:
    """Inverse cloze: some words of a sentence, in order, ask for the sentence."""
    made = []
    for passage in passages:
        choices = [s for s in mining.sentences(passage.document) if 25 <= len(s) <= 300]
        if choices and chance.random() < share:
            sentence = chance.choice(choices)
            query = _some_words(sentence, chance)
            made.append(Pair(query, sentence, passage.group, passage.language, passage.source))
    return made


def _some_words(sentence: str, chance: random.Random) -> str:
    """A part of the sentence, some of its words dropped."""
    chinese = sum("\u4e00" <= c <= "\u9fff" for c in sentence) > len(sentence) // 4
    words = (
        [sentence[i : i + 2] for i in range(0, len(sentence), 2)] if chinese else sentence.split()
    )
    size = max(3, round(len(words) * chance.uniform(0.2, 0.6)))
    first = chance.randrange(max(1, len(words) - size))
    kept = [w for w in words[first : first + size] if chance.random() < 0.7] or words[:3]
    return ("" if chinese else " ").join(kept)


if __name__ == "__main__":
    main()
