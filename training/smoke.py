"""The whole recipe in miniature, on data that every machine has: two minutes on two cores.

    python -m training.smoke [--work FOLDER] [--minutes 0.5]

Prepares, checks that the wired network ranks exact matches first, trains a little, resumes,
calibrates, exports, and measures the exported folder.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from training import calibrate, export, train
from training.batching import Batcher
from training.checkpoint import load_reranker
from training.evaluate import measure, scorer, shipped, table_row
from training.heldout import held_out_sets
from training.miniature import miniature
from training.prepare import prepare
from training.sources import Pair


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--minutes", type=float, default=0.4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        smoke(options.work or Path(folder), options.minutes)


def smoke(work: Path, minutes: float) -> None:
    """Every stage once; raises where one does not do its part."""
    pairs = miniature()
    prepare([_bare(p) for p in pairs], pairs, [], work, vocabulary=4096)
    check_wiring(work / "wired")
    for share in (0.5, 1.0):  # the second call resumes the first
        train.main(["--work", str(work), "--minutes", str(minutes * share), "--device", "cpu"])
    calibrate.main(["--work", str(work), "--count", "20"])
    export.main(["--work", str(work), "--name", "calibrated", "--out", str(work / "shipped")])
    for test in held_out_sets(work / "examples.jsonl.gz", limit=None):
        print(table_row(test, measure(test, shipped(work / "shipped"))))


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


def _bare(pair: Pair) -> Pair:
    return Pair("", pair.document, pair.group, pair.language, pair.source)


if __name__ == "__main__":
    main()
