"""Our TRM core and its learning against a clone of TinyRecursiveModels, at full size, on the CPU in float32.

    git clone https://github.com/SamsungSAILMontreal/TinyRecursiveModels /tmp/trm-reference
    python -m benchmarks.parity_with_trm --reference /tmp/trm-reference

What is done and printed is said in `benchmarks.parity_with_reference`.
"""

from __future__ import annotations

import torch
import tyro

from benchmarks.parity_with_reference import (
    ANSWER_AND_HALT,
    SEQ_LEN,
    VOCAB_SIZE,
    Options,
    Pair,
    Recipe,
    Setting,
    compare,
)
from benchmarks.trm_code import TRMCode
from hrm_agent.config import TRMConfig
from hrm_agent.cores.core import PuzzleShape

TRM = Recipe(TRMConfig, "q-threshold:0.5", "none", ANSWER_AND_HALT)


def main() -> None:
    """Compares both mixers, and attention without puzzle positions."""
    options = tyro.cli(Options)
    torch.set_num_threads(options.threads)
    code = TRMCode.of(options.reference)
    print(f"batch {options.batch_size}; errors are the largest difference over the largest value")
    setting = Setting(options, TRM, PuzzleShape(SEQ_LEN, VOCAB_SIZE, options.puzzle_ids))
    compare("attention", Pair(setting, code))
    compare("mlp", Pair(setting, code, mixer="mlp"))
    compare("attention, no puzzle position", Pair(setting, code, puzzle_positions=0))


if __name__ == "__main__":
    main()
