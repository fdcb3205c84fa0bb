"""The loss of distillation: the order by the teacher and the known answer, and yes or no."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 1.5  # of the teacher's softmax
YES_NO_WEIGHT = 0.2
NOTHING = -1e4  # logit of a place without a document


@dataclass(frozen=True)
class Targets:
    """What is known of B questions with N drawn candidates each."""

    present: Tensor  # (B, N) bool, false where there are fewer candidates
    teacher: Tensor  # (B, N) fp32 logits, NaN where the teacher was not asked
    answered: Tensor  # (B,) bool, whether candidate 0 is the answer
    answer_share: Tensor  # (B,) weight of the answer beside the teacher's order, 0 to 1

    @property
    def labelled(self) -> Tensor:
        """(B, N), where the teacher's logit is known."""
        return self.present & ~self.teacher.isnan()


def distillation_loss(scores: Tensor, targets: Targets) -> Tensor:
    """``scores`` (B, N) are logits, `NOTHING` where a place has no document."""
    return _order(scores, targets) + YES_NO_WEIGHT * _yes_no(scores, targets)


def _order(scores: Tensor, targets: Targets) -> Tensor:
    """Cross entropy against answer x share + softmax of the teacher x the rest."""
    labelled = targets.labelled
    known = labelled.sum(1) > 1
    soft = (targets.teacher / TEMPERATURE).masked_fill(~labelled, NOTHING).softmax(1)
    share = torch.where(known, targets.answer_share, 1.0) * targets.answered
    target = (1 - share)[:, None] * soft
    target[:, 0] += share
    used = targets.answered | known
    losses = -(target * scores.log_softmax(1)).sum(1)
    return (losses * used).sum() / used.sum().clamp_min(1)


def _yes_no(scores: Tensor, targets: Targets) -> Tensor:
    """Answers are yes; others are what the teacher says, no where it says nothing."""
    answer = torch.zeros_like(targets.present)
    answer[:, 0] = targets.answered
    wanted = targets.teacher.sigmoid().nan_to_num(0.0).masked_fill(answer, 1.0)
    losses = F.binary_cross_entropy_with_logits(scores.clamp_min(-30), wanted, reduction="none")
    others = targets.present & ~answer
    first = (losses * answer).sum() / answer.sum().clamp_min(1)
    # over all texts, answers too, so that groups without an answer do not weigh more
    rest = (losses * others).sum() / targets.present.sum().clamp_min(1)
    return (first + rest) / 2
