"""Where figures come from: the machine and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch


def commit() -> str:
    """Returns the short hash of the clone, with "-dirty" where it has changes; "unknown" for an installed package."""
    if __package__ != "train":  # a folder of packages may lie in a clone of something else
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def machine(device: torch.device | str) -> dict[str, Any]:
    """Returns where the numbers come from: the device's name, CPU cores and threads, versions."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    """Returns the CPU's name; only Linux gives the model."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    amx = " with AMX" if torch.cpu._is_amx_tile_supported() else ""
    return (names[0] if names else platform.processor() or platform.machine()) + amx
