"""Checks the device that a caller names: a missing GPU is an error. Needs torch alone."""

from __future__ import annotations

import re

import torch

from hrm_env.checks import shortened


def check_device(device: torch.device | str = "auto", name: str = "device") -> torch.device:
    """Returns the device if this machine has it.

    Stable-Baselines3's `get_device` silently uses the CPU when CUDA is missing; here that is an error.

    Args:
        device: ``"auto"`` (CUDA if available, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; or a
            `torch.device`.
        name: Name of the argument, as the caller typed it.

    Raises:
        ValueError: This machine has no such device.
    """
    text = str(device) if isinstance(device, str | torch.device) else ""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return torch.device("cuda" if count else "cpu")
    known = re.fullmatch(r"cpu(:0)?|cuda(:(?P<index>\d{1,4}))?", text, re.A)
    if known is None:
        raise ValueError(f"{name}: expected auto, cpu, cuda or cuda:N, found {shortened(device)}")
    if text.startswith("cuda") and int(known["index"] or 0) >= count:
        there = f"one of {count} CUDA devices" if count else "auto or cpu, because torch sees no CUDA device"
        raise ValueError(f"{name}: expected {there}, found {shortened(text)}")
    return torch.device(text)
