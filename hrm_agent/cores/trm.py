"""The Tiny Recursive Model (arXiv 2510.04871): HRM with one network in place of two."""

from __future__ import annotations

from hrm_agent.config import TRMConfig
from hrm_agent.cores.hrm import HRMCore


class TRMCore(HRMCore):
    """HRM's core with the defaults of `TRMConfig`: without blocks of its own H is the network of L."""

    config_class = TRMConfig
