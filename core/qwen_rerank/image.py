"""Documents with an image, for the scorers that can see."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from qwen_rerank._validation import checked_text
from qwen_rerank.errors import InvalidInputError
from qwen_rerank.types import DocumentScore, Outcome, RerankRequest, Scores

NOT_SEEN = "the document is an image, and this model reads only text"

_SCHEMES = ("http://", "https://", "data:image/")


class ImageDocument(str):
    """An image among the documents, perhaps with a text beside it.

    It is a text that names the image as Markdown does. So it goes wherever a document goes, and
    caches tell it from others; a scorer that knows it looks at `image`.

    Args:
        image: A URL that the server can reach, or a data URI such as
            `data:image/png;base64,...`.
        text: What stands beside the image, such as its caption.

    Raises:
        InvalidInputError: The image is neither, or the text is no text.
    """

    __slots__ = ("image", "text")

    image: str
    text: str

    def __new__(cls, image: str, text: str = "") -> ImageDocument:
        """Check the image; see the class."""
        if not isinstance(image, str) or not image.startswith(_SCHEMES):
            raise InvalidInputError(
                "an image must be a URL or a data URI that begins with "
                f"{', '.join(_SCHEMES)}, got {str(image)[:40]!r}"
            )
        beside = checked_text("text of an image", text)
        document = super().__new__(cls, f"![{beside}]({image})")
        document.image, document.text = image, beside
        return document

    @classmethod
    def of_bytes(cls, content: bytes, mime_type: str, text: str = "") -> ImageDocument:
        """An image at hand, such as a file's content, to be sent along."""
        return cls(f"data:{mime_type};base64,{base64.b64encode(content).decode()}", text)

    def __reduce__(self) -> tuple[type[ImageDocument], tuple[str, str]]:
        return type(self), (self.image, self.text)


def readable_text(document: str) -> str:
    """The text of a document; of an image, only the text beside it."""
    return document.text if isinstance(document, ImageDocument) else document


def without_images(request: RerankRequest) -> RerankRequest:
    """The request with its texts only."""
    texts = [text for text in request.documents if not isinstance(text, ImageDocument)]
    return request if len(texts) == len(request.documents) else replace(request, documents=texts)


def with_images(documents: Sequence[str], outcome: Outcome) -> Outcome:
    """The outcome of `without_images` for all documents: images have no score, and the reason."""
    if not isinstance(outcome, Scores) or len(outcome.documents) == len(documents):
        return outcome
    scores = iter(outcome.documents)
    unseen = DocumentScore(None, NOT_SEEN, tokens=0)
    return replace(
        outcome,
        documents=tuple(
            unseen if isinstance(document, ImageDocument) else next(scores)
            for document in documents
        ),
    )
