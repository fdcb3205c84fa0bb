"""Examples: for the page, and for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from qwen_rerank.server.compatible import (
    CandidatesBody,
    DashScopeBody,
    DocsBody,
    InfinityBody,
    RankingsBody,
    ScoreBody,
)
from qwen_rerank.server.errors import error_body
from qwen_rerank.server.feedback_body import AnswerFeedback, RankingFeedback
from qwen_rerank.server.ranking import ServedRanking
from qwen_rerank.server.schemas import (
    NativeBody,
    RankingBody,
    RerankBody,
    RerankV2Body,
    TextsBody,
)
from qwen_rerank.types import RerankResult

ZH_QUERY = "客户投诉响应超时的SOP处理流程"
ZH_DOCUMENTS = [
    "客户投诉管理制度总则：本制度适用于公司全部业务部门，自发布之日起执行。",
    "服务器响应超时的常见原因包括网络拥塞、数据库慢查询和连接池耗尽。",
    "客户满意度调查每季度进行一次，由客服中心汇总结果并上报管理层。",
    "投诉响应超时处理SOP：超过2小时未响应的投诉自动升级至值班主管，主管须在30分钟内联系客户致歉，"
    "24小时内给出处理方案，并在工单中记录超时原因。",
    "新员工入职流程：提交材料、签订合同、领取设备、参加培训。",
    "客服人员接到投诉后应先安抚客户情绪，再登记投诉内容，最后转交责任部门。",
    "投诉升级规则：一级投诉4小时内响应，逾期未响应的由系统通知部门经理跟进处理。",
    "SOP文件编写规范：标题、目的、适用范围、职责、流程步骤、附件。",
]
EN_QUERY = "How long does a refund take?"
EN_DOCUMENTS = [
    "Our refund policy was last updated in March by the legal team.",
    "To change your password, open Settings and choose Security.",
    "Delivery takes three to five days within the country.",
    "Refunds are paid back to the card you used, within five working days of our receiving "
    "the parcel.",
    "A refund can be requested from the order page for thirty days after delivery.",
    "How long a battery lasts depends on the model and the temperature.",
    "Our office is open from Monday to Friday, nine to five.",
]

_TEXTS = ["Delivery takes three days.", "Refunds are paid within five working days."]
_ID = "8b1f2c1e-5a5c-4b7e-9d57-1f0f6c3f2a10"
_RANKING = ServedRanking(
    _ID, [RerankResult(1, 0.9713), RerankResult(0, 0.0126)], 0.05, "builtin", tokens=192
)
_FEEDBACK = {"id": _ID, "relevant": [1], "adopted": True}
_ANSWER = {"reranked": False, "adopted": True}

ApiExample = tuple[dict[str, Any], Any, Any]
"""A JSON schema, a request, and its reply."""

_REFUSALS = {
    400: "the body is not JSON",
    401: "a wrong key, or none: send Authorization: Bearer <key>",
    403: "a page of another origin sent this; allow its origin with --cors-origin",
    408: "the body did not come within 60 seconds",
    413: "10001 documents, and 10000 is the most: send them in several requests",
    415: "the body must be JSON, with Content-Type: application/json",
    422: "query must hold a text, it is blank",
    431: "the header has more than 65536 bytes",
    500: "the model could not score, see the server's log",
    502: "the model could not score, see the server's log",
    503: "5120 documents wait, 20 more would come too late",
    504: "no scores within 60 seconds",
}
_FEEDBACK_REFUSALS = {
    **{status: _REFUSALS[status] for status in (400, 401, 403, 408, 413, 415, 431)},
    404: f"no rerank has the id '{_ID}'",
    422: "feedback must say relevant or adopted, or both",
    503: "the feedback could not be kept",
}


def _ranking(model: type[RankingBody], request: dict[str, Any]) -> ApiExample:
    """A request for a ranking with the reply that it gets."""
    reply = model.read(request, len(_TEXTS)).reply(_RANKING)
    if isinstance(reply, dict) and "created" in reply:
        reply["created"] = 1_770_000_000
    return model.model_json_schema(), request, reply


def _api(
    examples: dict[str, ApiExample],
    description: str = "The ranking, best first",
    refusals: dict[int, str] = _REFUSALS,
) -> dict[str, Any]:
    """The OpenAPI description of a route: its examples by name."""
    schemas = [schema for schema, _, _ in examples.values()]
    requests = {name: {"value": request} for name, (_, request, _) in examples.items()}
    replies = {name: {"value": reply} for name, (_, _, reply) in examples.items()}
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": requests}},
        },
        "responses": {
            "200": {
                "description": description,
                "content": {"application/json": {"examples": replies}},
            },
            **{str(status): _refusal(status, text) for status, text in refusals.items()},
        },
    }


def _refusal(status: int, text: str) -> dict[str, Any]:
    example = error_body(text, status)
    return {"description": text, "content": {"application/json": {"example": example}}}


_REQUEST = {"query": EN_QUERY, "documents": _TEXTS}
_COMMON_REQUEST = {"model": "any", **_REQUEST, "top_n": 2}
_OBJECTS = [{"text": text} for text in _TEXTS]
_SCHEMA, *_ANY = _ranking(DashScopeBody, {"input": _REQUEST, "parameters": {"top_n": 2}})
_PARAMETERS = {"anyOf": [{"type": "object"}, {"type": "null"}]}
_NESTED = {
    "type": "object",
    "properties": {"input": _SCHEMA, "parameters": _PARAMETERS},
    "required": ["input"],
}
_OTHERS: dict[str, ApiExample] = {
    "texts": _ranking(TextsBody, {"query": EN_QUERY, "texts": _TEXTS}),
    "docs": _ranking(DocsBody, {"query": EN_QUERY, "docs": _TEXTS, "k": 2}),
    "candidates": _ranking(
        CandidatesBody,
        {"query": EN_QUERY, "candidates": [{"id": text[0], "text": text} for text in _TEXTS]},
    ),
    "input": (_NESTED, *_ANY),
    "passages": _ranking(RankingsBody, {"query": {"text": EN_QUERY}, "passages": _OBJECTS}),
}
"""The bodies of other servers that the rerank paths take as well."""

RERANK_API = _api({"documents": _ranking(NativeBody, {**_REQUEST, "top_n": 2}), **_OTHERS})
V1_API = _api({"documents": _ranking(RerankBody, _COMMON_REQUEST), **_OTHERS})
V2_API = _api({"documents": _ranking(RerankV2Body, _COMMON_REQUEST), **_OTHERS})
INFINITY_API = _api(
    {"documents": _ranking(InfinityBody, {**_COMMON_REQUEST, "return_documents": True})}
)
DASHSCOPE_API = _api({"input": _OTHERS["input"]})
NVIDIA_API = _api({"passages": _OTHERS["passages"]})
SCORE_API = _api(
    {"texts": _ranking(ScoreBody, {"text_1": EN_QUERY, "text_2": _TEXTS})},
    "The scores, in the order of the texts",
)
FEEDBACK_API = _api(
    {
        "ranking": (RankingFeedback.model_json_schema(), _FEEDBACK, _FEEDBACK),
        "answer": (AnswerFeedback.model_json_schema(), _ANSWER, _ANSWER),
    },
    "It is kept",
    _FEEDBACK_REFUSALS,
)
KEY_API: dict[int | str, dict[str, Any]] = {401: _refusal(401, _REFUSALS[401])}
"""What every route that needs the key may answer."""
READY_API: dict[int | str, dict[str, Any]] = {503: _refusal(503, "not ready: loading")}
