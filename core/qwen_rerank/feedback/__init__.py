"""Stores rankings and the feedback on them, and computes whether reranking helps."""

from qwen_rerank.feedback.statistics import DailyStatistics, Statistics
from qwen_rerank.feedback.store import FeedbackStore, JudgedRanking

__all__ = ["DailyStatistics", "FeedbackStore", "JudgedRanking", "Statistics"]
