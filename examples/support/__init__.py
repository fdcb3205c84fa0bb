"""What the examples need besides the reranker: an offline embedding, corpora, an answer."""
