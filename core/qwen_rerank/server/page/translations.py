"""The texts of the page, in both of its languages."""

from __future__ import annotations

from typing import Literal, get_args

Language = Literal["中文", "English"]
LANGUAGES = get_args(Language)

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("重排", "Rerank"),
    "lead": (
        "输入问题和候选文档，看看 Qwen3-Reranker 怎样重新排序。",
        "Enter a query and candidate documents, and see how Qwen3-Reranker reorders them.",
    ),
    "tab_page": ("试一试", "Try it"),
    "tab_api": ("API", "API"),
    "tab_trend": ("效果", "In use"),
    "query": ("查询", "Query"),
    "query_hint": ("想找什么？", "What are you looking for?"),
    "documents": ("候选文档，每行一条", "Documents, one per line"),
    "documents_hint": (
        "按检索得到的顺序粘贴，每行一条",
        "Paste them in the order in which they were retrieved",
    ),
    "upload": ("或上传文件", "Or upload a file"),
    "upload_help": (
        ".txt 每行一条；.jsonl 每行一个字符串，或含 text 字段的对象；.csv 取 text 列，"
        "没有则取第一列。上传的文件代替上面的文本。",
        ".txt: one per line. .jsonl: a string, or an object with a text field, per line. "
        ".csv: the column named text, else the first one. A file replaces the lines above.",
    ),
    "from_file": ("使用文件中的 {count} 条文档", "Using the {count} documents of the file"),
    "bad_file": ("无法读取该文件：", "This file can't be read: "),
    "not_utf8": ("不是 UTF-8 或 GB18030 文本", "it is neither UTF-8 nor GB18030 text"),
    "bad_json": ("第 {line} 行不是有效的 JSON", "line {line} is not valid JSON"),
    "bad_row": (
        "第 {line} 行既不是字符串，也不是含 text 字段的对象",
        "line {line} is neither a string nor an object with a text field",
    ),
    "no_rows": ("文件里没有文档", "it holds no documents"),
    "example_zh": ("中文示例", "Example in Chinese"),
    "example_en": ("英文示例", "Example in English"),
    "button": ("重新排序", "Rerank"),
    "busy": ("正在打分……", "Scoring ..."),
    "no_query": ("请先输入查询。", "Please enter a query first."),
    "no_documents": ("请先输入至少一条文档。", "Please enter at least one document first."),
    "loading": ("模型正在加载，请稍候再试。", "The model is still loading, try again soon."),
    "stopping": ("服务正在停止。", "The server is stopping."),
    "failed": ("打分失败，详情见服务日志。", "Scoring failed; the server's log says why."),
    "overloaded": ("服务繁忙，请稍后再试。", "The server is busy, please try again soon."),
    "late": ("未能及时完成，请减少文档。", "This took too long; try fewer documents."),
    "too_large": (
        "内容超过了服务的上限，请减少或缩短文档。",
        "This is more than the server takes; send fewer or shorter documents.",
    ),
    "settings": ("设置", "Settings"),
    "top_n": ("返回前几条（0 表示全部）", "How many results (0 means all)"),
    "instruction": ("指令", "Instruction"),
    "instruction_help": (
        "用一句英文说明任务。留空则使用模型默认的网页搜索指令。",
        "The task in one English sentence. Empty means the model's default, web search.",
    ),
    "model": ("模型", "Model"),
    "builtin": (
        "这是随软件附带的小模型，仅供试用；效果不代表 Qwen3-Reranker。",
        "This is the small model that comes with the software, for trying it out; it does not "
        "stand for Qwen3-Reranker's quality.",
    ),
    "key": ("访问密钥", "Access key"),
    "need_key": ("请在侧栏输入访问密钥。", "Please enter the access key in the side panel."),
    "result": ("结果", "Result"),
    "summary": (
        "{count} 条文档，用时 {seconds:.2f} 秒；{moved} 条换了位置。",
        "{count} documents in {seconds:.2f} s; {moved} of them changed places.",
    ),
    "picture": ("排序前后", "Before and after"),
    "picture_cut": ("图中为排名前 {count} 条", "The picture shows the best {count}"),
    "before": ("原顺序", "before"),
    "after": ("新顺序", "after"),
    "rose": ("上升", "rose"),
    "fell": ("下降", "fell"),
    "stayed": ("不变", "stayed"),
    "rank": ("排名", "Rank"),
    "index": ("原序号", "Index"),
    "score": ("得分", "Score"),
    "change": ("变化", "Moved"),
    "start": ("前 50 个字符", "First 50 characters"),
    "full": ("全文", "Full texts"),
    "full_label": (
        "第 {rank} 名 · 原序号 {index} · 得分 {score:.4f}",
        "Rank {rank} · index {index} · score {score:.4f}",
    ),
    "full_cut": (
        "仅展开前 {count} 条，其余见下载文件",
        "The best {count} only; the downloads hold all",
    ),
    "truncated": (
        "文档过长，末尾未参与打分。",
        "This document was too long: the model did not see its end.",
    ),
    "judge": ("这次结果怎么样？", "How good was this?"),
    "judge_help": (
        "只保存序号，用于统计效果；改了主意再提交一次，以最后一次为准。",
        "Only the numbers are kept, for the statistics; say it again to change it.",
    ),
    "judge_help_texts": (
        "本服务会保存问题、文档和你的评价；改了主意再提交一次，以最后一次为准。",
        "This server keeps the query, the documents and what you say; say it again to change it.",
    ),
    "choice": ("第 {rank} 名（原序号 {index}）", "rank {rank} (index {index})"),
    "relevant": ("哪些结果相关？", "Which results were relevant?"),
    "choose": ("选择名次", "Choose by rank"),
    "none_relevant": ("都不相关", "None of these"),
    "adopted": ("答案采纳了吗？", "Did you take the answer?"),
    "unsaid": ("不说", "not said"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "send": ("提交评价", "Send"),
    "nothing_said": (
        "请选择相关的结果或“都不相关”，或说明是否采纳。",
        "Please choose what was relevant or “None of these”, or say whether you took the answer.",
    ),
    "not_kept": ("评价未能保存，请稍后再试。", "This could not be kept, please try again."),
    "thanks": ("已保存，谢谢。", "Kept, thank you."),
    "unreadable": (
        "统计文件暂时无法读取，详情见服务日志。",
        "The statistics can't be read now; the server's log says why.",
    ),
    "no_requests": ("最近 30 天还没有请求。", "There were no requests in the last 30 days."),
    "trend_lead": (
        "最近 30 天，按 UTC 日期；比率只计入有评价的请求。“重排前”是同一批请求按原顺序的前 3 条；"
        "采纳率的“重排前”来自未重排的请求。",
        "The last 30 days, in UTC; rates count requests that somebody judged. Without reranking, "
        "hits are those of the first 3 in the original order of the same requests, and adoption "
        "is that of requests that were not reranked.",
    ),
    "hit_rate": ("前 3 命中率", "Top-3 hit rate"),
    "adoption_rate": ("答案采纳率", "Answers adopted"),
    "without": ("重排前 {rate}", "{rate} without reranking"),
    "with_line": ("重排后", "with reranking"),
    "without_line": ("重排前", "without"),
    "latency": ("延迟（毫秒）", "Latency (ms)"),
    "day": ("日期", "Day"),
    "requests": ("请求", "Requests"),
    "judged": ("已评", "Judged"),
    "hits": ("命中", "Hits"),
    "hits_before": ("重排前命中", "Hits without"),
    "answers": ("采纳已知", "Answers known"),
    "taken": ("已采纳", "Adopted"),
    "csv": ("下载 CSV", "Download CSV"),
    "json": ("下载 JSON", "Download JSON"),
    "api_lead": (
        "同一个端口也提供 REST API。下面的命令可直接运行：",
        "The same port serves a REST API. This command is ready to run:",
    ),
    "api_compatible": (
        "Cohere、Jina、vLLM、TEI 等服务的客户端也可以直接连接：",
        "Clients of Cohere, Jina, vLLM, TEI and others can connect as they are:",
    ),
    "api_more": (
        "接口说明见 `/openapi.json`，状态见 `/health` 和 `/ready`，指标见 `/metrics`。",
        "`/openapi.json` describes the API; see `/health` and `/ready` for the state and "
        "`/metrics` for Prometheus.",
    ),
    "api_cut": (
        "示例只含前 {count} 条文档。",
        "The command holds the first {count} documents only.",
    ),
}


class Translator:
    """The page's texts in one language: `translate("query")`, with values for its braces."""

    def __init__(self, language: Language) -> None:
        self._place = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key."""
        return TEXTS[key][self._place].format(**values)


def language_of(locale: str | None) -> Language:
    """Chinese for browsers that ask for it, English for all others."""
    return "中文" if (locale or "").lower().startswith("zh") else "English"
