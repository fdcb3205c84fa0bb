"""Runnable examples: `python -m examples.faiss_rag_demo`, and so on."""
