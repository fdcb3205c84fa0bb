"""The prompt of Qwen3-Reranker in the pieces that training tokenises."""

from qwen_rerank.prompt import QWEN3

_HEAD, _rest = QWEN3.template.split("{instruction}")
_query, _rest = _rest.split("{query}")
_document, SUFFIX = _rest.split("{document}")

INSTRUCTION = QWEN3.default_instruction
# Other wordings of the task that a fifth of the training steps has, so that none breaks the model.
OTHER_INSTRUCTIONS = [
    "Find the sentence that answers the question.",
    "Given a question, retrieve passages that contain the answer",
    "检索能够回答问题的段落",
    "判断文档是否回答了用户的问题",
    "Given a search query about software documentation, find the page that explains it",
    "Retrieve relevant documents for the query",
    "Given a medical question, retrieve texts that answer it",
    "根据用户的问题，找出相关的中文文档",
    "Rank support articles by how well they solve the problem of the customer",
]
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
