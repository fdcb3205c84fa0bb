"""Every error that this package raises on purpose.

```
QwenRerankError
├── InvalidInputError (ValueError)
│   └── UnknownRerankError
├── FeedbackError
├── ConfigError (ValueError)
├── MissingDependencyError (ImportError)
├── RefusedError
│   ├── OverloadedError
│   ├── RequestTooLargeError
│   └── DeadlineError
└── ScorerError
    ├── ModelLoadError
    ├── ScorerUnavailableError
    ├── RemoteRejectedError
    └── BadScoresError
```

A message holds what was wanted, what came, and where. It never holds a secret.
"""

from __future__ import annotations


class QwenRerankError(Exception):
    """The base of the tree; its text is written for the person who reads it."""


class InvalidInputError(QwenRerankError, ValueError):
    """A query, a document or a per-call argument is not what the call needs."""


class UnknownRerankError(InvalidInputError):
    """Feedback names a rerank that was never recorded."""


class FeedbackError(QwenRerankError):
    """The feedback file can't be read or written."""


class ConfigError(QwenRerankError, ValueError):
    """A setting is unknown, has a wrong value, or contradicts another one."""


INSTALL = 'pip install ".[{extra}]" in your clone of qwen-rerank\'s repository'
"""How to get an extra, as long as the package is not on PyPI."""


class MissingDependencyError(QwenRerankError, ImportError):
    """Optional packages are not installed; the message says how to install them.

    Args:
        package: What is missing, several separated by commas.
        extra: The extra that installs it, several separated by commas.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"not installed: {package}. Run {INSTALL.format(extra=extra)}")
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str]]:
        return type(self), (self.package, self.extra)


class RefusedError(QwenRerankError):
    """A call with a deadline or a limit was not scored; raised by a server's queue only.

    It is no outage: `on_error` does not apply.
    """


class OverloadedError(RefusedError):
    """More work waits than can be done in time."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which a new try makes sense."""


class RequestTooLargeError(RefusedError):
    """The request is larger than a limit; half of it may fit."""


class DeadlineError(RefusedError):
    """There were no scores before the deadline."""


class ScorerError(QwenRerankError):
    """No scores came back, though the input was right."""


class ModelLoadError(ScorerError):
    """A model could not be found, downloaded or read.

    Raised whatever `on_error` and `fallback` say, unless it is the fallback's own model.
    """


class ScorerUnavailableError(ScorerError):
    """A scorer is out of reach, overloaded or too slow: it may heal by itself."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which the server asked to be tried again, if it did."""


class RemoteRejectedError(ScorerError):
    """A server refused the request for a reason that a retry will not heal."""

    def __init__(
        self, message: str, *, status: int | None = None, of_request: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.of_request = of_request
        """Whether it is about this one request: the server may well answer the next one."""


class BadScoresError(ScorerError):
    """A scorer answered with something that is not one score in [0, 1] per document."""
