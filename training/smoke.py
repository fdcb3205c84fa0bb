"""The whole recipe in miniature, on data that every machine has and with made-up teachers.

    python -m training.smoke [--work FOLDER] [--steps 10]

Prepares, checks that the wired network ranks exact matches first, packs, labels, trains a few
steps, calibrates, exports, and measures the exported folder.
"""

import argparse
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from training import calibrate, distil, export
from training.batching import Batcher
from training.candidates import Collection, Depth, as_sentences, collect, passages
from training.checkpoint import load_reranker
from training.denials import denials
from training.evaluate import measure, scorer, shipped, table_row
from training.heldout import held_out_sets
from training.labels import label
from training.layout import MEANING
from training.made_queries import (
    chinese_question,
    made_collection,
    synonym_queries,
    with_misleading,
)
from training.meanings import embed_entries, main_directions
from training.miniature import miniature
from training.pack import pack
from training.prepare import prepare
from training.sources import Pair, is_held_out
from training.synonyms import Synonyms
from training.tokenizer import load_tokenizer


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        smoke(options.work or Path(folder), options.steps)


def smoke(work: Path, steps: int) -> None:
    """Every stage once; raises where one does not do its part."""
    pairs = _few(miniature())
    pool = [_bare(pair) for pair in pairs]
    prepare(pool, pairs, [], work, vocabulary=2048, words=["temporary"], embed=vectors_of_endings)
    check_wiring(work / "wired")
    tokenizer = load_tokenizer(work / "wired")
    pack(_collections(pairs, tokenizer), tokenizer, work)
    label(work, shared_words, vectors_of_endings, vectors_of_endings)
    limits = ["--seconds", "600", "--steps", str(steps), "--tokens", "600"]
    distil.main(["--work", str(work), *limits, "--device", "cpu"])
    calibrate.main(["--work", str(work), "--count", "2"])
    export.main(["--work", str(work), "--out", str(work / "shipped")])
    for test in held_out_sets(work / "examples.jsonl.gz", limit=2):
        print(table_row(test, measure(test, shipped(work / "shipped"))))


def vectors_of_endings(texts: Sequence[str]) -> np.ndarray:
    """A teacher that takes texts with the same last letters for alike: unit vectors (N, 384)."""
    rows = [np.random.default_rng(zlib.crc32(t[-3:].encode())).standard_normal(384) for t in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def shared_words(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """A teacher that counts common words."""
    return (
        np.asarray([len(set(q.lower().split()) & set(d.lower().split())) for q, d in pairs]) - 2.0
    )


def _collections(pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerFast) -> Iterator[Collection]:
    """The miniature under the names of collections of the recipe, with made queries and texts."""
    english = [pair for pair in pairs if pair.language == "en"]
    english.sort(key=lambda pair: not is_held_out(pair))
    chinese = [pair for pair in pairs if pair.language == "zh"]
    vectors = embed_entries(tokenizer, vectors_of_endings)
    synonyms = Synonyms(tokenizer, main_directions(vectors, MEANING))
    few = english[:100]
    plain = collect("nqg", "passage", passages(few), few, Depth(10, 2))
    yield with_misleading(plain, synonyms, candidates=12)
    yield synonym_queries(plain, "synonyms-nqg", 50, synonyms, candidates=12)
    yield denials(plain, "denials-en", 50)
    yield collect("drcd-s-sent", "sentence", as_sentences(chinese), chinese, Depth(10, 2))
    yield made_collection("made-drcd", as_sentences(chinese), 20, chinese_question)


def check_wiring(folder: Path) -> None:
    """The untrained network must rank an exact match first, in both languages."""
    network, tokenizer = load_reranker(folder)
    score = scorer(network.eval(), Batcher(tokenizer))
    for query, documents in EXACT:
        with torch.inference_mode():
            logits = score(query, documents)
        if logits.argmax() != 0:
            raise AssertionError(f"{query!r}: the exact match is not first: {logits}")


EXACT = [
    (
        "remove the temporary directory",
        [
            "Remove the temporary directory and all that it holds.",
            "Return the number of days in the month.",
            "Open a socket and connect to the server.",
            "The string is split at every line end.",
        ],
    ),
    (
        "如何备份数据库？",
        [
            "备份数据库之前先停止写入，然后复制数据文件。",
            "蚂蚁是昆虫，有六条腿和一对触角。",
            "月亮绕地球一圈大约需要二十七天。",
            "端午节人们吃粽子、赛龙舟。",
        ],
    ),
]


def _few(pairs: Sequence[Pair]) -> list[Pair]:
    """An eighth of the docstrings and all Chinese pairs, cut short."""
    chosen = [p for place, p in enumerate(pairs) if p.language == "zh" or place % 8 == 0]
    return [Pair(p.query, p.document[:240], p.group, p.language, p.source) for p in chosen]


def _bare(pair: Pair) -> Pair:
    return Pair("", pair.document, pair.group, pair.language, pair.source)


if __name__ == "__main__":
    main()
