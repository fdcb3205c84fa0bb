"""Splits documents at their headings. Importing this loads no parser."""

from qwen_rerank.splitting.html import split_html
from qwen_rerank.splitting.markdown import split_markdown
from qwen_rerank.splitting.pdf import split_pdf
from qwen_rerank.splitting.tokens import estimated_tokens, token_counter
from qwen_rerank.splitting.unit import Unit

__all__ = [
    "Unit",
    "estimated_tokens",
    "split_html",
    "split_markdown",
    "split_pdf",
    "token_counter",
]
