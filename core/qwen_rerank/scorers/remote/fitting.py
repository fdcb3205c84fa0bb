"""Makes a request fit what a server takes, and puts its scores back in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qwen_rerank.cutting import cut_to_bytes
from qwen_rerank.image import ImageDocument
from qwen_rerank.scorers.remote.limits import RequestLimits, size_of
from qwen_rerank.types import DocumentScore, RerankRequest, Scores

IMAGE = (
    "the document is an image, which can't be sent to this server: name its dialect if it is one "
    "that takes images (vllm, jina or dashscope), and let it apply its own template"
)
BLANK = "the document is blank, and the server takes no blank documents"


@dataclass(frozen=True, slots=True)
class FittedRequest:
    """What is sent for a request."""

    request: RerankRequest
    places: Sequence[int]
    """Where the documents that are sent stand in the original request."""
    cut: frozenset[int]
    """Original places of the documents whose ends were cut."""
    left_out: Mapping[int, str]
    """Original places of the documents that are not sent, and why."""

    def longest(self) -> frozenset[int]:
        """Original places of the longest documents that are sent."""
        sizes = [size_of(document) for document in self.request.documents]
        pairs = zip(self.places, sizes, strict=True)
        return frozenset(place for place, size in pairs if size == max(sizes))

    def restored(self, scores: Scores) -> Scores:
        """The scores of what was sent, in the order of the original request."""
        found = dict(zip(self.places, scores.documents, strict=True))
        documents = (
            self._restored(place, found) for place in sorted([*self.places, *self.left_out])
        )
        return replace(scores, documents=tuple(documents))

    def _restored(self, place: int, found: Mapping[int, DocumentScore]) -> DocumentScore:
        if place in self.left_out:
            return DocumentScore(None, self.left_out[place])
        document = found[place]
        return replace(document, truncated=document.truncated or place in self.cut)


def fit(request: RerankRequest, limits: RequestLimits, refused: Mapping[int, str]) -> FittedRequest:
    """The request without what the server does not take, and with long documents cut.

    Args:
        request: The original request.
        limits: What the server takes.
        refused: Places of the documents that the server has refused, and why.
    """
    left_out = dict(refused)
    if not limits.takes_blanks:
        left_out |= {i: BLANK for i, text in enumerate(request.documents) if not text.strip()}
    if not limits.takes_images:
        images = [i for i, text in enumerate(request.documents) if isinstance(text, ImageDocument)]
        left_out |= dict.fromkeys(images, IMAGE)
    places = [place for place in range(len(request.documents)) if place not in left_out]
    whole = [request.documents[place] for place in places]
    documents = [_cut(text, limits.kept_bytes(request.query, text)) for text in whole]
    pairs = zip(places, whole, documents, strict=True)
    cut = frozenset(place for place, before, after in pairs if len(after) < len(before))
    return FittedRequest(replace(request, documents=documents), places, cut, left_out)


def _cut(document: str, max_bytes: int) -> str:
    """The start of a text; an image is whole or nothing."""
    return document if isinstance(document, ImageDocument) else cut_to_bytes(document, max_bytes)
