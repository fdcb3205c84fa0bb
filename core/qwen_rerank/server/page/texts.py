"""The texts of the page, in Chinese and English."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "html_language": ("zh-CN", "en"),
    "page_title": ("重排演示 · qwen-rerank", "Rerank · qwen-rerank"),
    "title": ("重排", "Rerank"),
    "introduction": (
        "输入查询和候选文档，模型会按相关程度重新排序。",
        "Enter a query and some documents. The model sorts them by how well they answer it.",
    ),
    "tab_page": ("试一试", "Try it"),
    "tab_api": ("API", "API"),
    "tab_trend": ("使用效果", "Statistics"),
    # what is entered
    "examples": ("示例", "Examples"),
    "query": ("查询", "Query"),
    "query_hint": ("想找什么？按回车即可排序", "What are you looking for? Enter reranks"),
    "documents_label": ("候选文档", "Documents"),
    "documents_hint": (
        "按检索到的顺序粘贴，按 Ctrl+Enter 即可排序",
        "Paste them in the order your retriever returned them. Ctrl+Enter reranks",
    ),
    "separator": ("分隔方式", "Separator"),
    "lines": ("每行一条", "One per line"),
    "blank_lines": ("以空行分隔", "Separated by blank lines"),
    "documents": ("{count} 条文档", "{count} documents"),
    "documents_one": ("{count} 条文档", "{count} document"),
    "upload": ("上传文件", "Upload a file"),
    "upload_help": (
        ".md 和 .pdf 按标题切分；.txt 每行一条；.json 为列表；.jsonl 每行一个字符串或对象；"
        ".csv 每行一条。对象和表格取 text 字段（列），表格没有该列时取第一列。",
        ".md and .pdf are split at their headings. .txt has one document per line, .json a list, "
        ".jsonl one string or object per line, .csv one document per row. Objects and tables "
        "need a field named text; a table without one gives its first column.",
    ),
    "reading": ("正在读取文件……", "Reading the file…"),
    "from_file": ("正在使用文件中的 {documents}。", "Using {documents} from the file."),
    "remove_file": ("不用文件", "Remove the file"),
    "not_utf8": ("文件不是 UTF-8 或 GB18030 编码的文本", "The file is not UTF-8 or GB18030 text"),
    "bad_json": ("第 {line} 行不是有效的 JSON", "Line {line} is not valid JSON"),
    "no_list": (
        "JSON 文件应为列表，或含 documents 列表的对象",
        "The JSON file must hold a list, or an object with a list named documents",
    ),
    "bad_item": (
        "第 {line} 项既不是字符串，也不是含 text 字段的对象",
        "Item {line} is neither a string nor an object with a text field",
    ),
    "bad_row": (
        "第 {line} 行既不是字符串，也不是含 text 字段的对象",
        "Line {line} is neither a string nor an object with a text field",
    ),
    "bad_pdf": ("无法读取该 PDF 文件", "The PDF file could not be read"),
    "no_parser": (
        "服务器缺少读取此类文件的软件包。请在服务器上 qwen-rerank 的克隆目录里运行：",
        "The server lacks the package that reads this kind of file. On the server, run this in the "
        "clone of qwen-rerank's repository:",
    ),
    "no_rows": ("文件中没有文档", "The file contains no documents"),
    "link_too_long": (
        "内容太长，网址中放不下；刷新页面后需要重新输入。",
        "This is too long for the page's address. You will have to enter it again after a reload.",
    ),
    "button": ("重新排序", "Rerank"),
    "busy": ("正在打分……", "Scoring…"),
    "loading": (
        "模型正在加载，完成后自动打分……",
        "The model is loading. Scoring starts as soon as it is ready…",
    ),
    # the key
    "key": ("访问密钥", "Access key"),
    "open": ("进入", "Continue"),
    "wrong_key": ("密钥不正确。", "This key is not correct."),
    # settings
    "settings": ("设置", "Settings"),
    "top_n": ("返回条数（0 表示全部）", "Number of results (0 returns all)"),
    "instruction": ("指令", "Instruction"),
    "other_instruction": ("另一条指令", "Other instruction"),
    "instruction_hint": ("默认：网页搜索", "Default: web search"),
    "instruction_help": (
        "用一句英文描述任务。留空则使用默认指令。",
        "Describe the task in one English sentence. Leave it empty to use the default.",
    ),
    "compare": ("对比", "Compare"),
    "compare_off": ("不对比", "Nothing"),
    "compare_instruction": ("两条指令", "Two instructions"),
    "compare_model": ("与模型 {model} 对比", "With the model {model}"),
    "model": ("模型", "Model"),
    # what keeps a result from coming
    "no_query": ("请输入查询。", "Please enter a query."),
    "no_documents": ("请至少输入一条文档。", "Please enter at least one document."),
    "stopping": ("服务器正在关闭。", "The server is shutting down."),
    "failed": (
        "打分失败，原因见服务器日志。",
        "Scoring failed. The server's log has the reason.",
    ),
    "overloaded": ("服务器繁忙，请稍后再试。", "The server is busy. Try again shortly."),
    "late": ("超时了，请减少文档后再试。", "This took too long. Try fewer documents."),
    "too_many": (
        "文档太多，请分几次提交。",
        "Too many documents. Send them in several requests.",
    ),
    "too_large": (
        "请求超出了服务器的限制，请减少文档或缩短文本。",
        "The request exceeds the server's limits. Send fewer documents or shorter texts.",
    ),
    "invalid": ("服务器无法处理此请求。", "The server can't process this request."),
    "original_message": ("服务器返回的原文：{message}", "The server's message: {message}"),
    # the result
    "history": ("本次访问的结果", "Results of this visit"),
    "result": ("“{query}”的排序结果", "Results for “{query}”"),
    "out_of_date": (
        "查询、文档或设置已更改，下面仍是更改之前的结果。",
        "The query, documents or settings have changed. The results below are from before.",
    ),
    "between": ("，", ", "),
    "summary": ("{documents}，用时 {seconds:.2f} 秒", "{documents} in {seconds:.2f} s"),
    "moved": ("{count} 条位置有变化", "{count} moved"),
    "passing": (
        "{count} 条得分不低于 {threshold:.2f}",
        "{count} with a score of at least {threshold:.2f}",
    ),
    "builtin": (
        "由内置小模型打分，仅供试用，不代表 Qwen3-Reranker 的效果。",
        "Scored by the small built-in model. It is for trying things out; Qwen3-Reranker ranks "
        "better.",
    ),
    "not_reranked": (
        "未能重新排序，以下为原顺序。",
        "The documents could not be reranked. They stand in their original order.",
    ),
    "fallback": (
        "原定的模型没有给出得分，以下由备用模型打分。点击一行可查看原因。",
        "The configured model gave no scores, so the fallback model scored the documents. Click a "
        "row for the reason.",
    ),
    "fallback_reason": ("由备用模型打分，因为：", "Scored by the fallback model, because:"),
    "threshold": ("最低得分", "Minimum score"),
    "threshold_help": (
        "得分更低的文档不显示。对应 API 的 score_threshold。",
        "Hides documents that score lower. The API calls it score_threshold.",
    ),
    "rank": ("排名", "Rank"),
    "score": ("得分", "Score"),
    "moved_column": ("变化", "Moved"),
    "before": ("原序号", "Before"),
    "after": ("新排名", "After"),
    "start": ("前 50 个字符（点击展开全文）", "First 50 characters (click a row for all)"),
    "truncated": (
        "文档过长，模型未读到末尾。",
        "This document is too long. The model did not read its end.",
    ),
    "no_score": ("该文档没有得分：", "This document has no score:"),
    "csv": ("下载 CSV", "Download CSV"),
    "json": ("下载 JSON", "Download JSON"),
    "picture": ("排序前后对比", "Before and after"),
    "picture_cut": ("图中为前 {count} 条", "The chart shows the first {count}"),
    "picture_text": (
        "连线图，表示每条文档排序前后的位置：{rose} 条上升，{fell} 条下降，{stayed} 条不变。"
        "原序号 → 新排名：{places}。",
        "Line chart of each document's place before and after: {rose} up, {fell} down, {stayed} "
        "unchanged. Before → after: {places}.",
    ),
    "rose": ("上升", "up"),
    "fell": ("下降", "down"),
    "stayed": ("不变", "unchanged"),
    "side_1": ("甲", "A"),
    "side_2": ("乙", "B"),
    "own_instruction": ("默认指令", "Default instruction"),
    # feedback
    "relevant": ("相关", "Relevant"),
    "none_relevant": ("没有相关的", "None is relevant"),
    "used": ("您用到了其中的结果吗？", "Did you use one of these results?"),
    "yes": ("是", "Yes"),
    "no": ("否", "No"),
    "feedback_help": (
        "点击后立即保存。只保存序号，不保存文本。",
        "Each click is saved at once. Only positions are stored, no texts.",
    ),
    "feedback_help_texts": (
        "点击后立即保存。本服务器会保存查询、文档和您的反馈。",
        "Each click is saved at once. This server stores queries, documents and feedback.",
    ),
    "saved": ("反馈已保存，谢谢！", "Feedback saved. Thank you!"),
    "not_saved": (
        "反馈未能保存，请稍后再试。",
        "The feedback could not be saved. Try again shortly.",
    ),
    # statistics
    "unreadable": (
        "暂时无法读取统计数据，原因见服务器日志。",
        "The statistics can't be read at the moment. The server's log has the reason.",
    ),
    "no_requests": ("最近 30 天没有请求。", "No requests in the last 30 days."),
    "trend_introduction": (
        "最近 30 天的数据，按 UTC 日期统计，比率只计算有反馈的请求。命中率的“未重排”取同一批请求"
        "原顺序的前 3 条；采纳率的“未重排”取没有经过重排的请求。",
        "The last 30 days (UTC). Rates count only requests with feedback. The hit rate without "
        "reranking looks at the first 3 documents of the same requests in their original order. "
        "The adoption rate without reranking is that of requests that were not reranked.",
    ),
    "hit_rate": ("前 3 条命中率", "Top-3 hit rate"),
    "adoption_rate": ("答案采纳率", "Answer adoption rate"),
    "without": ("未重排时 {rate}", "{rate} without reranking"),
    "with_line": ("重排", "with reranking"),
    "without_line": ("未重排", "without"),
    "latency": ("延迟（毫秒）", "Latency (ms)"),
    "day": ("日期", "Day"),
    "requests": ("请求数", "Requests"),
    "judged": ("有相关性反馈", "Rated for relevance"),
    "hits": ("命中", "Hits"),
    "hits_before": ("未重排命中", "Hits without reranking"),
    "answers": ("有采纳反馈", "Rated for adoption"),
    "taken": ("已采纳", "Adopted"),
    # the API
    "api_introduction": (
        "同一端口也提供 REST API。以下命令可直接运行：",
        "The same port serves a REST API. You can run this command as it is:",
    ),
    "api_adapter": ("在 LangChain 中：", "In LangChain:"),
    "api_compatible": (
        "Cohere、Jina、vLLM、TEI 等服务的客户端无需改动即可使用，例如 Cohere 的客户端：",
        "Clients of Cohere, Jina, vLLM, TEI and others work unchanged, for instance Cohere's:",
    ),
    "api_more": (
        "接口说明见 `/openapi.json`，状态见 `/health` 和 `/ready`，指标见 `/metrics`。",
        "`/openapi.json` describes the API, `/health` and `/ready` report the state, and "
        "`/metrics` is for Prometheus.",
    ),
    "api_cut": (
        "命令中只包含前 {count} 条文档。",
        "The command contains the first {count} documents only.",
    ),
}
