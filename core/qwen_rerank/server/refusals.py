"""The one refusal that only a server has; the others are in `qwen_rerank.errors`."""

from __future__ import annotations

from qwen_rerank.errors import RefusedError


class ClientGoneError(RefusedError):
    """The client closed its connection; nobody reads the reply."""
