"""Whether reranking helps in use: what was ranked, and what people made of it."""

from qwen_rerank.feedback.statistics import DayFigures, Figures
from qwen_rerank.feedback.store import FeedbackStore, JudgedRanking

__all__ = ["DayFigures", "FeedbackStore", "Figures", "JudgedRanking"]
