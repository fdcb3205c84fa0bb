"""The prompt of Qwen3-Reranker in the pieces that training tokenises."""

from qwen_rerank.prompt import QWEN3

_HEAD, _rest = QWEN3.template.split("{instruction}")
_query, _rest = _rest.split("{query}")
_document, SUFFIX = _rest.split("{document}")

INSTRUCTION = QWEN3.default_instruction
INSTRUCTION_MARK = _HEAD.splitlines()[-1].strip()
QUERY_MARK = _query.strip()
DOCUMENT_MARK = _document.strip()


def head(instruction: str = INSTRUCTION) -> str:
    """The part that is equal for all queries of one instruction."""
    return f"{_HEAD}{instruction}\n"


def query_line(query: str) -> str:
    """The query with its marker, up to the split point right after ``<Document>:``."""
    return f"{QUERY_MARK} {query}\n{DOCUMENT_MARK}"


def document_tail(document: str) -> str:
    """What follows the split point: one space, the document, the end of the turn."""
    return f" {document}{SUFFIX}"
