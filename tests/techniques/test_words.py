"""The words that BM25 counts, in Chinese and English."""

from __future__ import annotations

from qwen_rerank.lexical.bm25 import Bm25Index
from qwen_rerank.lexical.tokenize import words


def test_english_is_lower_case_words_and_chinese_is_characters_and_pairs() -> None:
    assert words("The WinError-1455, don't!") == ["the", "winerror", "1455", "don", "t"]
    assert words("退款RMB额") == ["退", "款", "退款", "rmb", "额"]
    assert words("ＡＢＣ１２３") == ["abc123"]
    assert words("…") == []


def test_the_text_that_shares_words_is_found_and_equals_keep_their_order() -> None:
    texts = ["蓝色的天空", "green apples", "退款需要三天", "nothing"]
    index = Bm25Index(texts)
    assert index.search("怎么退款", 1)[0][0] == 2
    assert [place for place, _ in index.search("green", 4)] == [1, 0, 2, 3]
    assert [place for place, _ in index.search("?!", 4)] == [0, 1, 2, 3]
    assert Bm25Index(["", "!"]).search("a", 2) == [(0, 0.0), (1, 0.0)]
    assert Bm25Index([]).search("a", 2) == []
