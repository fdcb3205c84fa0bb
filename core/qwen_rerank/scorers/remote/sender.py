"""Sends a batch to one server so that a document it refuses costs no other its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from qwen_rerank.errors import RemoteRejectedError
from qwen_rerank.image import ImageDocument
from qwen_rerank.scorers.remote.batches import batches, joined, without_scores
from qwen_rerank.scorers.remote.fitting import BLANK, FittedRequest, fit
from qwen_rerank.scorers.remote.limits import RequestLimits, size_of
from qwen_rerank.scorers.remote.rejection import Rejection
from qwen_rerank.types import RerankRequest, Scores

FURTHER_REQUESTS = 2
"""For documents that are refused: one with them cut, one without them."""
REFUSED_DOCUMENTS = 3
"""After this many refusals of single documents and no score, the server refuses them all."""


@dataclass(slots=True)
class Sender:
    """Sends one batch, adapted to what the server refuses; for one use.

    A batch that is too large is halved until the server takes its parts. A document that is
    too long is cut, and left out if that does not help. Images, and then blank documents, are
    left out when the server refuses a request that holds some.
    """

    post: Callable[[RerankRequest], Scores | Rejection]
    limits: RequestLimits
    _scored: bool = field(default=False, init=False)
    _refused: int = field(default=0, init=False)

    def score(self, request: RerankRequest) -> Scores:
        """The scores; a document that the server refuses has none, and the reason.

        Raises:
            RemoteRejectedError: The server refuses the batch, or all of its documents.
        """
        refused: dict[int, str] = {}
        for further in range(FURTHER_REQUESTS + 1):
            fitted = fit(request, self.limits, refused)
            if not fitted.places:
                return fitted.restored(Scores())
            outcome = self.post(fitted.request)
            if isinstance(outcome, Scores):
                return self._succeeded(fitted, outcome)
            rejection = outcome
            if _is_to_halve(fitted.request, rejection):
                return fitted.restored(self._halved(fitted.request, rejection))
            refused |= self._adapt(fitted, rejection, first=further == 0)
        raise rejection.error

    def _succeeded(self, fitted: FittedRequest, scores: Scores) -> Scores:
        self._scored = True
        self.limits.passed(fitted.request)
        if BLANK in fitted.left_out.values():
            self.limits.takes_blanks = False
        return fitted.restored(scores)

    def _adapt(self, fitted: FittedRequest, rejection: Rejection, *, first: bool) -> dict[int, str]:
        """Learn from a rejection; gives the documents to leave out, and why.

        Raises:
            RemoteRejectedError: No other request would help.
        """
        if rejection.cause == "other":
            return _doubtful(fitted, rejection)
        if first:
            self.limits.too_long(fitted.request, rejection)
            if fit(fitted.request, self.limits, {}).cut:
                return {}
        places = fitted.cut or fitted.longest()
        if len(places) == len(fitted.places):
            raise _of_all_documents(fitted.request, rejection)
        return dict.fromkeys(places, f"the server refuses the document: {rejection.error}")

    def _halved(self, request: RerankRequest, rejection: Rejection) -> Scores:
        """Both halves; their size is a limit only if no document of them was refused."""
        halves = batches(request, (len(request.documents) + 1) // 2)
        scores = joined(self._half(half) for half in halves)
        if all(document.score is None for document in scores.documents):
            raise _of_all_documents(request, rejection)
        if all(document.score is not None for document in scores.documents):
            self.limits.too_large(request, rejection)
        return scores

    def _half(self, request: RerankRequest) -> Scores:
        try:
            return self.score(request)
        except RemoteRejectedError as error:
            self._refused += len(request.documents) == 1
            refuses_all = not self._scored and self._refused >= REFUSED_DOCUMENTS
            if refuses_all or not error.of_request:
                raise
            return without_scores(request, f"the server refuses the document: {error}")


def _doubtful(fitted: FittedRequest, rejection: Rejection) -> dict[int, str]:
    """Blank documents and images, which some servers refuse, each with a message of its own."""
    documents = list(zip(fitted.places, fitted.request.documents, strict=True))
    images = [place for place, text in documents if isinstance(text, ImageDocument)]
    blanks = [place for place, text in documents if not text.strip()]
    refused = dict.fromkeys(images, f"the server refuses images: {rejection.error}")
    if not images and not blanks:
        raise rejection.error
    return {**refused, **({} if images else dict.fromkeys(blanks, BLANK))}


def _is_to_halve(request: RerankRequest, rejection: Rejection) -> bool:
    """Whether it is the batch that is too large, and not one document that outweighs the rest."""
    if rejection.cause == "count":
        return len(request.documents) > 1
    sizes = [size_of(document) for document in request.documents]
    return rejection.cause == "bytes" and 2 * max(sizes) <= sum(sizes)


def _of_all_documents(request: RerankRequest, rejection: Rejection) -> RemoteRejectedError:
    if len(request.documents) > 1:
        return rejection.error
    message = f"a single document is too large: {rejection.error}"
    return RemoteRejectedError(message, status=rejection.error.status, of_request=True)
