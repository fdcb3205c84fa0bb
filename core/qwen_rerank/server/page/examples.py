"""Examples to try, in both languages and across them."""

from __future__ import annotations

from dataclasses import dataclass

from qwen_rerank.server.examples import EN_DOCUMENTS, EN_QUERY, ZH_DOCUMENTS, ZH_QUERY
from qwen_rerank.server.page.translations import LANGUAGES, Language


@dataclass(frozen=True, slots=True)
class Example:
    """A query with its candidates."""

    names: tuple[str, str]
    """In the page's languages, in their order."""
    query: str
    documents: tuple[str, ...]
    instruction: str = ""

    def name(self, language: Language) -> str:
        """The example's name in this language."""
        return self.names[LANGUAGES.index(language)]


EXAMPLES = (
    Example(("投诉处理（中文）", "Complaints (Chinese)"), ZH_QUERY, tuple(ZH_DOCUMENTS)),
    Example(("退款（英文）", "Refunds (English)"), EN_QUERY, tuple(EN_DOCUMENTS)),
    Example(
        ("保修（中文查英文）", "Warranty (Chinese to English)"),
        "电池鼓包了还能保修吗？",
        (
            "The battery charges fully in about ninety minutes with the adapter in the box.",
            "The warranty covers the battery for twelve months, including swelling and leakage.",
            "Screen damage caused by a fall is not covered by the warranty.",
            "To save energy, lower the brightness and turn off unused radios.",
            "Batteries must not be thrown into household waste; bring them to a collection point.",
            "Keep the invoice: a warranty claim needs the date of purchase.",
        ),
    ),
    Example(
        ("差旅制度", "Travel policy (Chinese)"),
        "出差住酒店一晚最多能报销多少钱？",
        (
            "员工出差须提前三个工作日在系统中提交申请，由部门负责人审批。",
            "住宿费按城市分级报销：一线城市每晚不超过600元，其他城市每晚不超过400元。",
            "市内交通费凭票据实报销，夜间加班打车需注明事由。",
            "酒店会员积分归员工个人所有，公司不作统一管理。",
            "出差补助每人每天100元，随当月工资发放。",
            "报销单须在返回后十个工作日内提交，逾期不予受理。",
        ),
    ),
    Example(
        ("代码检索（带指令）", "Code search (with an instruction)"),
        "remove duplicates from a list and keep the order",
        (
            "def unique(items): return list(dict.fromkeys(items))",
            "def sort_items(items): return sorted(items)",
            "def remove_item(items, item): items.remove(item)",
            "def duplicates(items): return [item for item in items if items.count(item) > 1]",
            "def flatten(lists): return [item for one in lists for item in one]",
            "def reverse(items): return items[::-1]",
        ),
        "Given a description, retrieve the Python function that does it",
    ),
)
