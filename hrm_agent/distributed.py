"""Training on several processes, on torch's own engine. Torch (and numpy) alone.

A process is a *rank*; `torchrun` starts them and tells each its number in the environment. Every rank has its own
slots, puzzles and exploration, and the same weights: the gradient of every step is the mean over ranks, so that R ranks
of B slots learn what one process of R·B slots learns.

Without a process group everything here is that of one process and costs nothing. Where there is one, what learns,
evaluates or saves is collective: every rank calls it, at the same step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel


def rank() -> int:
    """This process's number, from 0; rank 0 is the one that writes and prints."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def tell(text: str) -> None:
    """Prints, on rank 0."""
    if not rank():
        print(text)


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def local_world_size() -> int:
    """How many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def rank_seed(seed: int | None) -> int | None:
    """A seed of this rank's own, spawned from the run's as numpy's `SeedSequence` does; that seed for one process."""
    if seed is None or world_size() == 1:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(rank(),)).generate_state(1)[0])


def own_device(device: torch.device) -> torch.device:
    """This rank's device of a kind: of CUDA devices the one of its ``LOCAL_RANK``.

    Raises:
        ValueError: There are more ranks on this machine than CUDA devices.
    """
    if device.type != "cuda" or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    local, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= devices:
        raise ValueError(f"--nproc-per-node: expected at most {devices}, a process for each GPU, found more")
    return torch.device("cuda", local)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Within, the process group that torchrun's environment describes, if any: NCCL for CUDA devices, gloo for CPUs.

    Args:
        device: The kind of device to train on.

    Raises:
        ValueError: There are more ranks on this machine than CUDA devices.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(own_device(device))
    store, number, count = next(rendezvous("env://"))
    # torchrun keeps its store when it restarts workers: those must not read the addresses of the dead (pytorch#135712)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt {attempt}", store)  # type: ignore[attr-defined]
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count)
    try:
        yield
    finally:
        _host_group.cache_clear()
        dist.destroy_process_group()


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """One rank of each machine runs the body before the others do: what it downloads or caches, they find."""
    waits = world_size() > 1 and int(os.environ.get("LOCAL_RANK", rank())) > 0
    if waits:
        wait_for_all()
    try:
        yield
    finally:
        if not waits:
            wait_for_all()


def wait_for_all() -> None:
    """Returns when every rank has come here."""
    if world_size() > 1:
        dist.barrier(_host_group())


@cache
def _host_group() -> dist.ProcessGroup:
    """A gloo group of all ranks for what lives on the host, whatever the devices talk over."""
    return cast(dist.ProcessGroup, dist.new_group(backend="gloo"))


def replicate(core: nn.Module, sparse: Sequence[nn.Parameter] = ()) -> nn.Module:
    """The core as every rank calls it in training: its dense gradients are averaged while backward still runs.

    `DistributedDataParallel` first copies rank 0's weights and buffers everywhere, then gathers gradients in buckets
    and reduces each as soon as it is full. It hangs on the parameters, not on this call: what a loss makes of a
    parameter outside of it (``q_values`` of the step before) is in the gradient before it is reduced.

    Args:
        core: The network, all of whose dense parameters take part in every loss.
        sparse: Parameters with sparse gradients, which `gather_sparse_gradients` reduces instead.

    Returns:
        The core itself where there is one process.
    """
    if world_size() == 1:
        return core
    ids = {id(p) for p in sparse}
    apart = {name: p for name, p in core.named_parameters() if id(p) in ids} | dict(core.named_buffers())
    for tensor in apart.values():
        dist.broadcast(tensor.detach(), 0)
    # buffers never change: without this, every forward pass would broadcast them again
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(  # type: ignore[no-untyped-call]
        core, list(apart)
    )
    return DistributedDataParallel(core, gradient_as_bucket_view=True)


@torch.no_grad()
def gather_sparse_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Gives every rank the mean over ranks of the sparse gradients, in place.

    Sign-SGD needs the sum of an id's gradients over *all* ranks before it takes the sign. An embedding's gradient holds
    one row for each of the B ids that were looked up, the same on every rank, so indices and rows are gathered as they
    are, B·R in all, whatever the size of the table; ids that were looked up twice add up when the optimizer coalesces
    them. No size depends on the data, so no rank waits for its device.
    """
    ranks = world_size()
    if ranks == 1:
        return
    for p in parameters:
        if p.grad is None:
            continue
        indices, values = _gathered(p.grad._indices().squeeze(0)), _gathered(p.grad._values())
        p.grad = torch.sparse_coo_tensor(indices.unsqueeze(0), values / ranks, p.shape, check_invariants=False)


def _gathered(tensor: Tensor) -> Tensor:
    """The tensors of all ranks one after the other, along the first dimension."""
    everyone = tensor.new_empty(world_size() * len(tensor), *tensor.shape[1:])
    dist.all_gather(list(everyone.chunk(world_size())), tensor.contiguous())
    return everyone


def sum_over_ranks(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sums over ranks of tensors on the host, of shapes that all ranks share; one all-reduce for each dtype."""
    sums = list(tensors)
    if world_size() == 1:
        return sums
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        places = [place for place, tensor in enumerate(tensors) if tensor.dtype == dtype]
        flat = torch.cat([tensors[place].reshape(-1) for place in places])
        dist.all_reduce(flat, group=_host_group())
        parts = torch.split(flat, [tensors[place].numel() for place in places])
        for place, part in zip(places, parts, strict=True):
            sums[place] = part.view(tensors[place].shape)
    return sums


def highest(number: int) -> int:
    """The highest number that any rank has; every rank waits for all."""
    if world_size() == 1:
        return number
    found = torch.tensor(number)
    dist.all_reduce(found, dist.ReduceOp.MAX, _host_group())
    return int(found)


class Vote:
    """A wish on which all ranks must act at the same step: a number, of which the highest counts; 0 is none.

    One process acts at once. Several act a step later: the numbers travel while the step computes, so nobody waits.
    """

    def __init__(self) -> None:
        self._under_way: tuple[dist.Work, Tensor] | None = None

    def highest(self, number: int) -> int:
        """What to act on now; every rank calls it at every step. After a wish that is granted the vote begins anew."""
        if world_size() == 1:
            return number
        if self._under_way is not None:
            work, found = self._under_way
            work.wait()
            self._under_way = None
            if found:
                return int(found)
        said = torch.tensor(number)
        self._under_way = cast(dist.Work, dist.all_reduce(said, dist.ReduceOp.MAX, _host_group(), async_op=True)), said
        return 0


def gather_objects(value: Any) -> list[Any]:
    """The values of all ranks, by rank; on ranks other than 0 an empty list."""
    if world_size() == 1:
        return [value]
    everyone: list[Any] = [None] * world_size() if rank() == 0 else []
    dist.gather_object(value, everyone or None, group=_host_group())
    return everyone


def of_rank_zero(value: Any) -> Any:
    """What rank 0 has."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, group=_host_group())
    return box[0]


def done_by_rank_zero(work: Callable[[], Any]) -> Any:
    """What a function returns on rank 0, which alone calls it; an error of input or of files is raised on every rank.

    Raises:
        ValueError: Rank 0 raised it.
        OSError: Likewise.
    """
    found, failed = None, None
    if not rank():
        try:
            found = work()
        except (ValueError, OSError) as error:
            if world_size() == 1:
                raise
            failed = error
    found, failed = of_rank_zero((found, failed))
    if failed is not None:
        raise failed
    return found
