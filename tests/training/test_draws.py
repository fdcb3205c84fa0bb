"""What training draws from packed arrays, and the loss that it takes of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.candidates import Collection, Question
from training.draws import Questions, join
from training.labels import label
from training.loss import NOTHING, Targets, distillation_loss
from training.pack import load_packed, pack
from training.prompt import SUFFIX, document_tail, head, query_line
from training.smoke import shared_words
from training.tokenizer import encode, train_tokenizer

TEXTS = ["Copy a file to a new place.", "A socket is an end of a line.", "Ants have six legs."]
CHINESE = ["备份数据库之前先停止写入。", "蚂蚁有六条腿。", "月亮绕地球一圈。"]
TOKENIZER = train_tokenizer([*TEXTS, *CHINESE, head(), SUFFIX] * 20, 600, ["socket"])
ENGLISH = [Question("copy a file", True, [0, 1, 2]), Question("socket", False, [2, 1])]
COLLECTIONS = [
    Collection("nqg", "en", "passage", TEXTS, ENGLISH),
    Collection("drcd-s", "zh", "passage", CHINESE, [Question("备份数据库", True, [0, 1, 2])]),
]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Questions:
    work = tmp_path_factory.mktemp("packed")
    pack(COLLECTIONS, TOKENIZER, work)
    label(work, shared_words, no_opinion, no_opinion)
    return Questions(load_packed(work), np.load(Path(work) / "labels.npy"), "cpu")


def no_opinion(texts: list[str]) -> np.ndarray:
    return np.ones((len(texts), 4))


def ids(text: str) -> torch.Tensor:
    return torch.tensor(encode(TOKENIZER, [text])[0])


def test_rows_of_a_batch_are_the_whole_prompts(questions: Questions) -> None:
    places, columns = torch.tensor([0, 1]), torch.tensor([[0, 1, 2], [0, 1, 2]])
    start = join([(ids(head()), torch.zeros(1).long(), torch.tensor([len(ids(head()))]))])
    batch, rows = questions.batch(places, columns, start, ids(SUFFIX), 100)
    owners = torch.cat(batch.owners).tolist()
    documents = [
        r[:n] for part in batch.documents for r, n in zip(part.ids, part.lengths, strict=True)
    ]
    assert owners == rows[:, 0].tolist()
    for owner, column, document in zip(owners, rows[:, 1].tolist(), documents, strict=True):
        line = batch.queries.ids[owner, : batch.queries.lengths[owner]]
        text = TEXTS[ENGLISH[owner].candidates[column]]
        whole = head() + query_line(ENGLISH[owner].query) + document_tail(text)
        assert torch.cat([ids(head()), line, document]).tolist() == ids(whole).tolist()


def test_answer_comes_first_then_what_the_teacher_likes_best(questions: Questions) -> None:
    columns = questions.pick(torch.tensor([0, 1, 2]), 3)
    assert columns[[0, 2], 0].tolist() == [0, 0]
    targets = questions.targets(torch.tensor([0, 1, 2]), columns)
    assert targets.present.tolist() == [[True] * 3, [True, True, False], [True] * 3]
    assert targets.labelled.equal(targets.present)


def test_chinese_labels_prefer_the_text_with_the_words_of_the_query(questions: Questions) -> None:
    first = questions.first(torch.tensor([2]), 3)
    assert int(questions.targets(torch.tensor([2]), first).teacher.argmax()) == 0


def test_loss_is_least_for_the_order_of_answer_and_teacher() -> None:
    nan = float("nan")
    present = torch.tensor([[True, True, True], [True, True, False]])
    teacher = torch.tensor([[nan, nan, nan], [-4.0, 4.0, nan]])
    targets = Targets(present, teacher, torch.tensor([True, False]), torch.tensor([0.35, 0.35]))
    right = torch.tensor([[4.0, -4.0, -4.0], [-4.0, 4.0, NOTHING]])
    for place in ((0, [1, 0, 2]), (1, [1, 0, 2])):
        wrong = right.clone()
        wrong[place[0]] = wrong[place[0], place[1]]
        assert distillation_loss(right, targets) < distillation_loss(wrong, targets)


def test_whole_words_are_one_token_each() -> None:
    assert len(ids("a socket")) == 2
