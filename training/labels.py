"""What the teachers say of every question's candidates.

    python -m training.labels --work WORK --teachers FOLDER [--device cuda]

English pairs: the logit of the cross-encoder. Chinese pairs: the cosine of the embedding teacher
plus the score of BM25, each standardised over the question's candidates. Writes WORK/labels.npy,
(G, C) fp16, NaN where no teacher was asked.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from qwen_rerank.lexical.bm25 import Bm25Index
from training.firststage import K1
from training.pack import Packed, load_packed, load_texts
from training.teachers import CROSS_ENCODER, Embed, cross_encoder, embedders

Score = Callable[[Sequence[tuple[str, str]]], np.ndarray]
CHINESE = ["drcd-s-sent", "drcd-t-sent", "drcd-s", "drcd-t", "cmrc", "cmrc-sent"]
CHINESE += ["made-drcd", "oiwiki-zh", "docs-cn-zh"]  # the others have answers of their own
UNLABELLED = ["denials-en"]  # the teacher does not hear a "not"
SCALE, SHIFT = 1.5, -2.0  # from standardised sums to something like logits
LONGEST = 1800  # characters of a document for the cross-encoder
EMBEDDED = 600  # and for the embedding teacher
CLS, SEP = 101, 102


def main() -> None:
    """Read the arguments, label, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    query, passage = embedders(options.teachers)
    label(options.work, CrossEncoder(options.teachers, options.device).score, query, passage)


def label(work: Path, score: Score, query: Embed, passage: Embed) -> None:
    """Write ``work``/labels.npy by these teachers."""
    packed, texts = load_packed(work), load_texts(work)
    labels = np.full(packed.candidates.shape, np.nan, np.float16)
    english = ~packed.chinese & ~np.isin(packed.names, UNLABELLED)
    _label_english(labels, packed, texts, english[packed.source], score)
    for source in np.flatnonzero(np.isin(packed.names, CHINESE)):
        _label_chinese(
            labels, packed, texts, np.flatnonzero(packed.source == source), query, passage
        )
    np.save(work / "labels.npy", labels)


class CrossEncoder:
    """The English teacher in batches of about equal numbers of tokens."""

    def __init__(self, folder: Path, device: str) -> None:
        self._device = device
        self._model = cross_encoder(folder)
        self._model.to(device, torch.bfloat16 if device == "cuda" else torch.float32)
        self._model.classifier.float()
        self._tokenizer = Tokenizer.from_file(str(folder / CROSS_ENCODER / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokens = 200_000 if device == "cuda" else 2_000  # of a batch

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Logits (pairs,)."""
        queries, documents = (
            self._ids({q for q, _ in pairs}, 80),
            self._ids({d for _, d in pairs}, 400),
        )
        lengths = [len(queries[q]) + len(documents[d]) + 3 for q, d in pairs]
        scores, order, start = np.empty(len(pairs), np.float32), np.argsort(lengths), 0
        while start < len(order):
            count = max(1, self._tokens // lengths[order[start]])
            part = order[start : start + count]
            scores[part] = self._batch(
                [(queries[pairs[i][0]], documents[pairs[i][1]]) for i in part]
            )
            start += len(part)
        return scores

    def _ids(self, texts: set[str], limit: int) -> dict[str, list[int]]:
        listed = list(texts)
        encoded = self._tokenizer.encode_batch_fast(
            [text[:LONGEST] for text in listed], add_special_tokens=False
        )
        return {text: e.ids[:limit] for text, e in zip(listed, encoded, strict=True)}

    @torch.inference_mode()
    def _batch(self, pairs: Sequence[tuple[list[int], list[int]]]) -> np.ndarray:
        rows = [[CLS, *query, SEP, *document, SEP] for query, document in pairs]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask, second = np.zeros_like(ids), np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = row, 1
            second[place, len(pairs[place][0]) + 2 : len(row)] = 1
        tensors = [torch.from_numpy(array).to(self._device) for array in (ids, mask, second)]
        states = self._model.bert(tensors[0], tensors[1], tensors[2])
        logits: np.ndarray = (
            self._model.classifier(states.pooler_output.float())[:, 0].cpu().numpy()
        )
        return logits


def _label_english(
    labels: np.ndarray,
    packed: Packed,
    texts: tuple[list[str], list[str]],
    chosen: np.ndarray,
    score: Score,
) -> None:
    rows, columns = np.nonzero(chosen[:, None] & (packed.candidates >= 0))
    queries, documents = texts
    places = zip(packed.query[rows], packed.candidates[rows, columns], strict=True)
    if len(rows):
        labels[rows, columns] = score([(queries[q], documents[d]) for q, d in places])


def _label_chinese(
    labels: np.ndarray,
    packed: Packed,
    texts: tuple[list[str], list[str]],
    rows: np.ndarray,
    embed_query: Embed,
    embed_passage: Embed,
) -> None:
    """One collection: BM25 over all texts that are candidates in it."""
    used = np.unique(packed.candidates[rows])
    used = used[used >= 0]
    documents = [texts[1][i] for i in used]
    queries = [texts[0][i] for i in packed.query[rows]]
    vectors = np.asarray(embed_passage([text[:EMBEDDED] for text in documents]))
    asked = np.asarray(embed_query(queries))
    index = Bm25Index(documents, k1=K1)
    for row, query, vector in zip(rows, queries, asked, strict=True):
        places = np.searchsorted(used, packed.candidates[row][packed.candidates[row] >= 0])
        likeness = _standardise(vectors[places] @ vector)
        by_words = _standardise(_scores(index, query, len(documents))[places])
        labels[row, : len(places)] = SCALE * (likeness + by_words) + SHIFT


def _scores(index: Bm25Index, query: str, count: int) -> np.ndarray:
    """The score of every text, in the order of the index."""
    scores = np.zeros(count)
    for place, score in index.search(query, count):
        scores[place] = score
    return scores


def _standardise(values: np.ndarray) -> np.ndarray:
    spread: np.ndarray = (values - values.mean()) / (values.std() + 1e-6)
    return spread


if __name__ == "__main__":
    main()
