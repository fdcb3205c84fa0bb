"""Several processes of one thread each, gradients averaged: steady on a shared machine.

On a busy CPU two threads of one process wait for each other at every operation; two processes
wait once a step.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn


def join(rank: int, world: int, port: int) -> None:
    """Meet the other processes of this machine."""
    if world > 1:
        address = f"tcp://127.0.0.1:{port}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    if not dist.is_initialized():
        return
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for grad, piece in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(piece.view_as(grad))


def agree(value: float) -> float:
    """The value of the first process, for all."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)
