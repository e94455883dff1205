"""Our TRM core and its learning against a clone of TinyRecursiveModels, at full size, on the CPU in float32.

    git clone https://github.com/SamsungSAILMontreal/TinyRecursiveModels /tmp/trm-reference
    python -m benchmarks.parity_with_trm --reference /tmp/trm-reference

`benchmarks.parity_with_reference` says what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.options import run
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
from benchmarks.report import Part
from benchmarks.timing import use_threads
from benchmarks.trm_code import TRMCode
from hrm_agent.config import TRMConfig
from hrm_agent.cores.core import PuzzleShape

TRM = Recipe(TRMConfig, "q-threshold:0.5", "none", ANSWER_AND_HALT)


def measure(options: Options) -> Iterator[Part]:
    """Compares both mixers, and attention without puzzle positions."""
    use_threads(options.threads)
    code = TRMCode.of(options.reference)
    setting = Setting(options, TRM, PuzzleShape(SEQ_LEN, VOCAB_SIZE, options.puzzle_ids))
    yield from compare("attention", Pair(setting, code))
    yield from compare("mlp", Pair(setting, code, mixer="mlp"))
    yield from compare("attention, no puzzle position", Pair(setting, code, puzzle_positions=0))


if __name__ == "__main__":
    run(Options, measure)
