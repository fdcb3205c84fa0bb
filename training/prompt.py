"""The prompt of Qwen3-Reranker in the pieces that training tokenises."""

from qwen_rerank.prompt import QWEN3

SUFFIX = QWEN3.suffix
INSTRUCTION = QWEN3.default_instruction
INSTRUCTION_MARK = QWEN3.instruction_marker
QUERY_MARK = QWEN3.query_marker
DOCUMENT_MARK = QWEN3.document_marker


def head(instruction: str = INSTRUCTION) -> str:
    """The part that is equal for all queries of one instruction."""
    return f"{QWEN3.prefix}{INSTRUCTION_MARK} {instruction}\n"


def query_line(query: str) -> str:
    """The query with its marker, up to the split point right after ``<Document>:``."""
    return f"{QUERY_MARK} {query}\n{DOCUMENT_MARK}"


def document_tail(document: str) -> str:
    """What follows the split point: one space, the document, the end of the turn."""
    return f" {document}{SUFFIX}"
