"""Processes that train together, as torchrun starts them."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from processes import FORKS

from hrm_agent.distributed import process_group


def on_ranks(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Runs ``function(*arguments)`` on ``count`` ranks of one thread each and returns what each returned."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends, processes = [], []
    for rank in range(count):
        mine, theirs = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=_rank, args=(theirs, rank, count, port, function, arguments), daemon=True)
        process.start()
        theirs.close()
        ends.append(mine)
        processes.append(process)
    try:
        return [torch.load(io.BytesIO(end.recv_bytes())) for end in ends]
    finally:
        for process in processes:
            process.join(20)
            process.kill()


def _rank(
    end: Connection, rank: int, count: int, port: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in numbers.items()}})
    with process_group(torch.device("cpu")):
        file = io.BytesIO()
        torch.save(function(*arguments), file)
        end.send_bytes(file.getvalue())
