"""RAG over FAISS, before and after reranking.

python -m examples.faiss_rag_demo
python -m examples.faiss_rag_demo --plot demo.png
python -m examples.faiss_rag_demo --corpus stdlib --query "pretty print a nested data structure"
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.support.answer import ask, make_prompt
from examples.support.cases import read_cases, run_cases
from examples.support.corpus import read_corpus
from examples.support.dense import DenseIndex, Embedder, LsaEmbedder, sentence_transformer
from examples.support.picture import draw
from examples.support.show import LEGEND, WIDTH, cut, show_outcome, show_summary
from qwen_rerank import Reranker, RerankerSettings, load

NAMES = {"builtin": "builtin, a small model that matches words and little more"}
CANDIDATES = 50
"""How many passages FAISS hands to the reranker."""


def main() -> None:
    """Show the questions with known answers, or answer one from a corpus."""
    options = _options()
    scorer = {"base_url": options.base_url} if options.base_url else {"model": options.model}
    reranker = load(RerankerSettings(**scorer, on_error="raise"))
    print(f"Reranker: {options.base_url or NAMES.get(options.model, options.model)}")
    if options.corpus:
        _answer(options, reranker)
    else:
        _show_cases(options, reranker)


def _show_cases(options: argparse.Namespace, reranker: Reranker) -> None:
    cases = read_cases()
    print(f"{LEGEND}\n\nLoading FAISS and the model ...", flush=True)
    embed = _embedder(options.embedding, [text for case in cases for text in case.documents])
    outcomes = []
    for outcome in run_cases(cases, embed, reranker):
        outcomes.append(outcome)
        show_outcome(len(outcomes), len(cases), outcome)
    show_summary(outcomes)
    if options.plot:
        draw(outcomes, options.plot)
        print(f"Picture: {options.plot}")


def _answer(options: argparse.Namespace, reranker: Reranker) -> None:
    passages = read_corpus(options.corpus)
    print(f"Corpus: {options.corpus}, {len(passages)} passages\nSearching ...", flush=True)
    index = DenseIndex(passages, _embedder(options.embedding, passages))
    context = _show_search(index, reranker, options.query)
    prompt = make_prompt(options.query, context)
    print("\n" + (ask(options.llm_base_url, prompt) if options.llm_base_url else prompt))


def _show_search(index: DenseIndex, reranker: Reranker, query: str) -> list[str]:
    found = [index.texts[place] for place in index.search(query, CANDIDATES)]
    best = [found[result.index] for result in reranker.rerank(query, found, top_n=3)]
    for name, texts in (("FAISS", found[:3]), ("Reranked", best)):
        print(f"\n{name} top 3")
        for text in texts:
            print(f"  {cut(text, WIDTH)}")
    return best


def _embedder(name: str | None, corpus: list[str]) -> Embedder:
    return sentence_transformer(name) if name else LsaEmbedder(corpus)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpus", help="a folder of .md and .txt files, or stdlib")
    parser.add_argument("--query", help="a question that the corpus answers")
    parser.add_argument("--model", default="builtin", help="hub id, folder or builtin [builtin]")
    parser.add_argument("--base-url", help="a rerank server instead of a model in this process")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the ranks of the key documents"
    )
    parser.add_argument("--embedding", help="a sentence-transformers model [LSA, offline]")
    parser.add_argument(
        "--llm-base-url", help="an OpenAI-compatible server, such as http://localhost:8000/v1"
    )
    options = parser.parse_args()
    if options.plot and options.corpus:
        parser.error("--plot draws the built-in questions, not a --corpus")
    if not options.corpus and (options.query or options.llm_base_url):
        parser.error("--query and --llm-base-url ask a question of a --corpus")
    if options.corpus and not options.query:
        parser.error("--corpus needs a --query")
    return options


if __name__ == "__main__":
    main()
