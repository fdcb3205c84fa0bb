"""BM25 and what it needs."""
