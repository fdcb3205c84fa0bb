"""The words that BM25 counts, in Chinese and English."""

from __future__ import annotations

from qwen_rerank.lexical.bm25 import Bm25Index
from qwen_rerank.lexical.tokenize import terms


def test_english_is_lower_case_words_and_chinese_is_characters_and_pairs() -> None:
    assert terms("The WinError-1455, don't!") == ["the", "winerror", "1455", "don", "t"]
    assert terms("退款RMB额") == ["退", "款", "退款", "rmb", "额"]
    assert terms("ＡＢＣ１２３") == ["abc123"]
    assert terms("…") == []


def test_the_text_that_shares_words_is_found_and_equal_scores_keep_their_order() -> None:
    texts = ["蓝色的天空", "green apples", "退款需要三天", "nothing"]
    index = Bm25Index(texts)
    assert index.search("怎么退款", 1)[0][0] == 2
    assert [place for place, _ in index.search("green", 4)] == [1, 0, 2, 3]
    assert [place for place, _ in index.search("?!", 4)] == [0, 1, 2, 3]
    assert Bm25Index(["", "!"]).search("a", 2) == [(0, 0.0), (1, 0.0)]
    assert Bm25Index([]).search("a", 2) == []


def test_many_queries_give_arrays_of_the_same_places_and_scores() -> None:
    texts = ["red", "blue", "red", "red wine", "sea", "red"]
    index = Bm25Index(texts)
    queries = ["red", "wine", "?", "red wine"]
    for k in (0, 1, 2, 3, 6, 9):
        places, scores = index.search_many(queries, k)
        assert places.shape == scores.shape == (4, min(k, 6))
        for query, row, values in zip(queries, places, scores, strict=True):
            assert list(zip(row.tolist(), values.tolist(), strict=True)) == index.search(query, k)
    assert index.search_many(["red"], 4)[0].tolist() == [[0, 2, 5, 3]], "equals in their order"
    assert Bm25Index([]).search_many(queries, 3)[0].shape == (4, 0)


def test_k1_and_b_reach_the_score() -> None:
    texts = ["red red red", "red", "blue"]
    [_, (place, _)] = Bm25Index(texts, b=0.0).search("red", 2)
    assert place == 1, "repeating a word counts"
    [(_, first), (_, second)] = Bm25Index(texts, k1=0.0).search("red", 2)
    assert first == second, "repeating a word does not count"
