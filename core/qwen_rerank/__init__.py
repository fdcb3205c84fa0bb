"""Qwen3-Reranker between retrieval and the LLM: one scorer, local or remote.

Importing this package loads neither torch nor transformers. On Linux it sets `GOMP_SPINCOUNT`, see
`limit_spinning`.
"""

from qwen_rerank._openmp import limit_spinning
from qwen_rerank.errors import (
    BadScoresError,
    ConfigError,
    FeedbackError,
    InvalidInputError,
    MissingDependencyError,
    ModelLoadError,
    QwenRerankError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
    UnknownRerankError,
)
from qwen_rerank.factory import load, load_scorer
from qwen_rerank.image import ImageDocument
from qwen_rerank.lexical.prefilter import Prefilter
from qwen_rerank.prompt import QWEN3, QWEN3_OFFICIAL, Answer, PromptSpec
from qwen_rerank.reranker import Reranker
from qwen_rerank.scorers.cached import CachedScorer
from qwen_rerank.scorers.fallback import FallbackScorer
from qwen_rerank.scorers.local.cross_encoder import CrossEncoderScorer
from qwen_rerank.scorers.local.scorer import LocalScorer
from qwen_rerank.scorers.local.windows import WindowScorer
from qwen_rerank.scorers.redis_store import RedisStore
from qwen_rerank.scorers.remote import RemoteScorer
from qwen_rerank.settings import AdapterSettings, RerankerSettings, ScorerSettings
from qwen_rerank.types import (
    BatchScorer,
    DocumentScore,
    RerankRequest,
    RerankResult,
    Scorer,
    Scores,
)

__version__ = "0.1.0"

limit_spinning()

__all__ = [
    "QWEN3",
    "QWEN3_OFFICIAL",
    "AdapterSettings",
    "Answer",
    "BadScoresError",
    "BatchScorer",
    "CachedScorer",
    "ConfigError",
    "CrossEncoderScorer",
    "DocumentScore",
    "FallbackScorer",
    "FeedbackError",
    "ImageDocument",
    "InvalidInputError",
    "LocalScorer",
    "MissingDependencyError",
    "ModelLoadError",
    "Prefilter",
    "PromptSpec",
    "QwenRerankError",
    "RedisStore",
    "RemoteRejectedError",
    "RemoteScorer",
    "RerankRequest",
    "RerankResult",
    "Reranker",
    "RerankerSettings",
    "Scorer",
    "ScorerError",
    "ScorerSettings",
    "ScorerUnavailableError",
    "Scores",
    "UnknownRerankError",
    "WindowScorer",
    "load",
    "load_scorer",
]
