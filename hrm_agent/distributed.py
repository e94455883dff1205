"""Training on several processes, on torch's own engine. Torch (and numpy) alone.

A process is a *rank*; `torchrun` starts the ranks and numbers them in their environments. Every rank has its own slots,
puzzles and exploration, and the same weights: the gradient of every step is the mean over ranks, so that R ranks of B
slots learn what one process of R·B slots learns.

Without a process group every function serves one process and costs nothing. With one, whatever learns, evaluates or
saves is collective: every rank calls it at the same step.
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
    """Returns the number of this process, from 0; only rank 0 writes and prints."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def print_rank0(text: str) -> None:
    """Prints on rank 0 alone."""
    if not rank():
        print(text)


def world_size() -> int:
    """Returns the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def local_world_size() -> int:
    """Returns the number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def rank_seed(seed: int | None) -> int | None:
    """Returns a seed for this rank, spawned from the run's by numpy's `SeedSequence`; the run's own for one process."""
    if seed is None or world_size() == 1:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(rank(),)).generate_state(1)[0])


def own_device(device: torch.device) -> torch.device:
    """Returns the device of this rank: for CUDA the one whose number is ``LOCAL_RANK``.

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
    """Opens the process group that torchrun describes in the environment, if any: NCCL for CUDA devices, gloo for CPUs.

    Args:
        device: Device to train on.

    Raises:
        ValueError: There are more ranks on this machine than CUDA devices.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(own_device(device))
    store, number, count = next(rendezvous("env://"))
    # torchrun keeps its store when it restarts workers, which must not read the old addresses (pytorch#135712)
    attempt = f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    store = dist.PrefixStore(attempt, store)  # type: ignore[attr-defined]
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=number, world_size=count)
    try:
        yield
    finally:
        _host_group.cache_clear()
        dist.destroy_process_group()


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """Lets one rank of each machine run the body before the others, which find what it downloaded or cached."""
    waits = world_size() > 1 and int(os.environ.get("LOCAL_RANK", rank())) > 0
    if waits:
        wait_for_all()
    try:
        yield
    finally:
        if not waits:
            wait_for_all()


def wait_for_all() -> None:
    """Returns when every rank has called it."""
    if world_size() > 1:
        dist.barrier(_host_group())


@cache
def _host_group() -> dist.ProcessGroup:
    """Returns a gloo group of all ranks for data on the host."""
    return cast(dist.ProcessGroup, dist.new_group(backend="gloo"))


def replicate(core: nn.Module, sparse: Sequence[nn.Parameter] = ()) -> nn.Module:
    """Returns the core as every rank calls it in training: dense gradients are averaged while backward still runs.

    `DistributedDataParallel` first copies rank 0's weights everywhere, then collects gradients in buckets and reduces
    each as soon as it is full. Its hooks are on the parameters: the gradient of a loss outside the forward pass
    (``q_values`` of the previous step) is included.

    Args:
        core: The network, all of whose dense parameters take part in every loss; returned itself for one process.
        sparse: Parameters with sparse gradients, which `gather_sparse_gradients` reduces instead.
    """
    if world_size() == 1:
        return core
    ids = {id(p) for p in sparse}
    apart = {name: p for name, p in core.named_parameters() if id(p) in ids} | dict(core.named_buffers())
    for tensor in apart.values():
        dist.broadcast(tensor.detach(), 0)
    # buffers never change: without this, every forward pass would broadcast them again
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(core, list(apart))
    return DistributedDataParallel(core, gradient_as_bucket_view=True)


@torch.no_grad()
def gather_sparse_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces sparse gradients by their means over ranks, in place.

    Sign-SGD takes the sign of an id's gradients summed over *all* ranks. An embedding's gradient has a row for each of
    the B ids looked up, so that B·R indices and rows are gathered, whatever the size of the table; the optimizer adds
    up repeated ids. No size depends on the data, so no rank waits for its device.
    """
    if world_size() == 1:
        return
    for p in parameters:
        if p.grad is None:
            continue
        indices, values = _gathered(p.grad._indices().squeeze(0)), _gathered(p.grad._values())
        p.grad = torch.sparse_coo_tensor(indices.unsqueeze(0), values / world_size(), p.shape, check_invariants=False)


def _gathered(tensor: Tensor) -> Tensor:
    """Returns the tensors of all ranks, concatenated along the first dimension."""
    everyone = tensor.new_empty(world_size() * len(tensor), *tensor.shape[1:])
    dist.all_gather(list(everyone.chunk(world_size())), tensor.contiguous())
    return everyone


def sum_over_ranks(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Returns sums over ranks of tensors on the host, whose shapes all ranks share; one all-reduce for each dtype.

    Several at once, without waiting for each, got mixed up by gloo after a restart.
    """
    sums = list(tensors)
    if world_size() == 1:
        return sums
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        places = [place for place, tensor in enumerate(tensors) if tensor.dtype == dtype]
        flat = torch.cat([tensors[place].reshape(-1) for place in places])
        dist.all_reduce(flat, group=_host_group())
        for place, part in zip(places, torch.split(flat, [tensors[place].numel() for place in places]), strict=True):
            sums[place] = part.view(tensors[place].shape)
    return sums


def max_over_ranks(number: int) -> int:
    """Returns the maximum over ranks; every rank waits for all."""
    if world_size() == 1:
        return number
    found = torch.tensor(number)
    dist.all_reduce(found, dist.ReduceOp.MAX, _host_group())
    return int(found)


class AgreedMaximum:
    """A number on which all ranks act at the same step: the maximum of what they propose; 0 proposes nothing.

    One process acts at once. Several act one step later: the numbers travel while the step computes, so no rank waits.
    """

    def __init__(self) -> None:
        self._under_way: tuple[Any, Tensor] | None = None

    def propose(self, number: int) -> int:
        """Returns the number to act on now; every rank calls it at every step. Acting begins a new round."""
        if world_size() == 1:
            return number
        if self._under_way is not None:
            work, found = self._under_way
            work.wait()
            self._under_way = None
            if found:
                return int(found)
        found = torch.tensor(number)
        self._under_way = dist.all_reduce(found, dist.ReduceOp.MAX, _host_group(), async_op=True), found
        return 0


def gather_objects(value: Any) -> list[Any]:
    """Returns the values of all ranks, by rank; on ranks other than 0 an empty list."""
    if world_size() == 1:
        return [value]
    everyone: list[Any] = [] if rank() else [None] * world_size()
    dist.gather_object(value, everyone or None, group=_host_group())
    return everyone


def from_rank0(value: Any) -> Any:
    """Returns the value of rank 0."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, group=_host_group())
    return box[0]


def run_on_rank0(work: Callable[[], Any]) -> Any:
    """Calls a function on rank 0 and returns its result on every rank; errors of input or files are raised on all.

    Raises:
        ValueError: Rank 0 raised it.
        OSError: Likewise.
    """
    found, failed = None, None
    if not rank():
        try:
            found = work()
        except (ValueError, OSError) as error:
            failed = error
    found, failed = from_rank0((found, failed))
    if failed is not None:
        raise failed
    return found
