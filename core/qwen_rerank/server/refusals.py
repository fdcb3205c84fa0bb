"""Why the server does not answer with scores, as HTTP says it."""

from __future__ import annotations

from qwen_rerank.errors import QwenRerankError


class RefusedError(QwenRerankError):
    """The server will not score this request; the text is for the client."""

    status = 500


class OverloadedError(RefusedError):
    """There is more to do than the server can carry now."""

    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineError(RefusedError):
    """The scores could not be had in time."""

    status = 504


class TooLargeError(RefusedError):
    """The request is larger than a limit; half of it may fit."""

    status = 413


class ClientGoneError(RefusedError):
    """Nobody waits for the answer any more; the status is nginx's, for logs and metrics."""

    status = 499
