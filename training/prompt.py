"""The prompt of Qwen3-Reranker, as text, and the three pieces it is tokenised in."""

PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and"
    ' the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

QUERY_MARK = "<Query>:"
DOCUMENT_MARK = "<Document>:"


def head(instruction: str = INSTRUCTION) -> str:
    """The part that is equal for all queries of one instruction."""
    return f"{PREFIX}<Instruct>: {instruction}\n"


def query_line(query: str) -> str:
    """The query with its marker, up to the split point right after ``<Document>:``."""
    return f"{QUERY_MARK} {query}\n{DOCUMENT_MARK}"


def document_tail(document: str) -> str:
    """What follows the split point: one space, the document, the end of the turn."""
    return f" {document}{SUFFIX}"
