"""Our cores and learner against clones of the papers' code, at full size, on the CPU in float32.

    git clone https://github.com/sapientinc/HRM /tmp/hrm-reference
    python -m benchmarks.parity_with_reference --reference /tmp/hrm-reference
    git clone https://github.com/SamsungSAILMontreal/TinyRecursiveModels /tmp/trm-reference
    python -m benchmarks.parity_with_reference --network trm --reference /tmp/trm-reference

Our random weights are written as a checkpoint of the reference code and loaded there. Then both compute segments and
both learn, on the same puzzles. An error is the largest difference over the largest value. "nudged" is the error
between two cores of ours whose start states differ by rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmarks.options import Count, run
from benchmarks.options import Options as Shared
from benchmarks.reference_code import BETAS, DECAY, EMBEDDING_RATE, RATE, PaperCode
from benchmarks.report import Part, Value
from hrm_agent import halting
from hrm_agent.checkpoints.reference_checkpoint import from_reference_name
from hrm_agent.config import Bootstrap, HRMConfig, LearnerConfig, TRMConfig
from hrm_agent.cores.core import PuzzleShape, ReasoningCore
from hrm_agent.cores.hrm import HRMCarry, HRMCore
from hrm_agent.learning.learner import Learner
from hrm_env.task import PAD_ID, PuzzleBatch
from train.options import Threads
from train.running import use_threads

SEQ_LEN, VOCAB_SIZE, UNLABELLED = 81, 11, -100
ROUNDING = 1e-7


@dataclass(frozen=True, kw_only=True)
class Options(Shared):
    """What to compare.

    Attributes:
        network: The core that is compared.
        reference: A clone of its paper's code.
        batch_size: Puzzles B.
        puzzle_ids: Rows of the puzzle embedding.
        segments: Segments in a row without learning.
        steps: Training steps.
        max_segments: Budget of an episode in training; short, so that slots are refilled.
    """

    threads: Threads = 1
    network: Literal["hrm", "trm"] = "hrm"
    reference: Path
    batch_size: Count = 4
    puzzle_ids: Count = 5
    segments: Count = 8
    steps: Count = 10
    max_segments: Count = 4


@dataclass(frozen=True)
class Recipe:
    """The training recipe of a reference code, in our names.

    Attributes:
        config: Class of the core's options.
        halting: The halting policy.
        q_bootstrap: Source of the target of Q_continue.
        losses: Our name of each loss, and theirs.
        cores: Options of each core that is compared, by what distinguishes it.
    """

    config: type[HRMConfig]
    halting: str
    q_bootstrap: Bootstrap
    losses: Mapping[str, str]
    cores: Mapping[str, Mapping[str, Any]]


ANSWER_AND_HALT = {"answer_loss": "lm_loss", "halt_loss": "q_halt_loss"}
RECIPES = {
    "hrm": Recipe(
        HRMConfig,
        "q-compare",
        "second-pass",
        {**ANSWER_AND_HALT, "continue_loss": "q_continue_loss"},
        {
            "one puzzle position, rotary": {},
            "no puzzle position, rotary": {"puzzle_positions": 0},
            "one puzzle position, learned positions": {"positions": "learned"},
        },
    ),
    "trm": Recipe(
        TRMConfig,
        "q-threshold:0.5",
        "none",
        ANSWER_AND_HALT,
        {"attention": {}, "mlp": {"mixer": "mlp"}, "attention, no puzzle position": {"puzzle_positions": 0}},
    ),
}


@dataclass(frozen=True)
class Setting:
    """The setting that both sides share.

    Attributes:
        options: Network, sizes and numbers of steps.
        shape: The puzzles' sizes.
    """

    options: Options
    shape: PuzzleShape

    @property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        return RECIPES[self.options.network]

    def batch(self, step: int) -> dict[str, Tensor]:
        """Returns random puzzles in the reference code's form; some cells are not labelled."""
        generator = torch.Generator().manual_seed(step)
        size, vocab_size = (self.options.batch_size, self.shape.seq_len), self.shape.vocab_size
        labels = torch.randint(1, vocab_size, size, generator=generator)
        return {
            "inputs": torch.randint(1, vocab_size, size, generator=generator),
            "labels": torch.where(torch.rand(size, generator=generator) < 0.1, UNLABELLED, labels),
            "puzzle_identifiers": torch.randint(self.shape.num_puzzle_ids, size[:1], generator=generator),
        }


class Pair:
    """Our core and the reference code's model with the same weights.

    A second core of ours starts from a state that differs by ``ROUNDING``: it shows the effect of rounding alone.

    Args:
        setting: The setting of both.
        reference: The reference code.
        **core_options: Options of our core.
    """

    def __init__(self, setting: Setting, reference: PaperCode, **core_options: Any) -> None:
        torch.manual_seed(0)
        options = setting.options
        self.core, self.setting = HRMCore(setting.shape, setting.recipe.config(**core_options)), setting
        nn.init.normal_(self.core.q_weight, std=0.1)  # what is zero at the start would hide mistakes
        nn.init.zeros_(self.core.q_bias)
        if self.core.puzzle_embedding is not None:
            nn.init.normal_(self.core.puzzle_embedding.weight, std=0.05)
        self.nudged = copy.deepcopy(self.core)
        self.nudged.start_h += ROUNDING * torch.randn(len(self.core.start_h))
        self.reference, self.theirs = reference, reference.model(self.core, options.batch_size, options.max_segments)

    def their_weights(self) -> dict[str, Tensor]:
        """Returns the weights of their model under our names."""
        return {from_reference_name(name): weight for name, weight in self.theirs.state_dict().items()}


def puzzles(data: dict[str, Tensor]) -> PuzzleBatch:
    """Translates a batch from the reference code's form into ours."""
    labels = data["labels"]
    return PuzzleBatch(data["inputs"], torch.where(labels == UNLABELLED, PAD_ID, labels), data["puzzle_identifiers"])


def error(ours: Tensor, theirs: Tensor) -> float:
    """Returns the largest difference over the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


@torch.no_grad()
def segments(pair: Pair) -> Iterator[dict[str, float]]:
    """Yields the errors of a segment from their state, of a chain of segments, and between our two cores' chains."""
    pair.theirs.eval()
    options, data, inner = pair.setting.options, pair.setting.batch(0), pair.theirs.model.inner
    size = options.batch_size
    batch = puzzles(data)
    theirs = inner.reset_carry(torch.ones(size, dtype=torch.bool), inner.empty_carry(size))
    chain, nudged = pair.core.initial_carry(size), pair.nudged.initial_carry(size)
    for _ in range(options.segments):
        single = pair.core(HRMCarry(theirs.z_H, theirs.z_L), batch.inputs, batch.puzzle_id)
        chain = pair.core(chain, batch.inputs, batch.puzzle_id).carry
        nudged = pair.nudged(nudged, batch.inputs, batch.puzzle_id).carry
        theirs, logits, q = inner(theirs, data)
        yield {
            "z_H": error(single.carry.z_h, theirs.z_H),
            "z_L": error(single.carry.z_l, theirs.z_L),
            "logits": error(single.logits, logits),
            "q": error(torch.stack([single.q_halt, single.q_continue]), torch.stack(q)),
            "chained z_H": error(chain.z_h, theirs.z_H),
            "nudged z_H": error(nudged.z_h, chain.z_h),
        }


def our_training(core: ReasoningCore, setting: Setting) -> Iterator[dict[str, Tensor]]:
    """Yields the mean losses of every training step of a core of ours, and which rows halted."""
    config = LearnerConfig(
        optimizer="adamw",
        learning_rate=RATE,
        betas=BETAS,
        weight_decay=DECAY,
        puzzle_embedding_lr=EMBEDDING_RATE,
        q_bootstrap=setting.recipe.q_bootstrap,
    )
    learner = Learner(core, halting.make(setting.recipe.halting), setting.options.max_segments, config)
    carry, current = core.initial_carry(setting.options.batch_size), puzzles(setting.batch(0))
    used = torch.zeros(setting.options.batch_size, dtype=torch.long)
    for number in range(setting.options.steps):
        fresh, begins = puzzles(setting.batch(number)), (used == 0).unsqueeze(1)  # their slots are refilled row by row
        current = PuzzleBatch(
            torch.where(begins, fresh.inputs, current.inputs),
            torch.where(begins, fresh.solution, current.solution),
            torch.where(begins[:, 0], fresh.puzzle_id, current.puzzle_id),
        )
        step = learner.step(carry, current, used)
        carry, used = step.carry, torch.where(step.done, 0, used + 1)
        yield {name: step.metrics[name] for name in setting.recipe.losses} | {"halt": step.done}


def their_training(pair: Pair) -> Iterator[dict[str, Tensor]]:
    """Yields the same of the reference code, trained as in its ``pretrain.train_batch``, with torch's AdamW."""
    setting, training = pair.setting, pair.reference.training(pair.theirs, torch.optim.AdamW)
    size, losses = setting.options.batch_size, setting.recipe.losses
    for number in range(setting.options.steps):
        metrics = training.step(setting.batch(number))
        halted = training.carry.halted
        yield {ours: metrics[theirs] / size for ours, theirs in losses.items()} | {"halt": halted}


def compare(name: str, pair: Pair) -> Iterator[Part]:
    """Yields the errors of segments, then those of training steps and of the weights after them."""
    size = sum(weight.numel() for weight in pair.core.parameters())
    numbered = enumerate(segments(pair), start=1)
    errors: list[dict[str, Value]] = [{"segment": number, **found} for number, found in numbered]
    yield Part("segments", f"{name}: {size:,} parameters, errors of segments", errors)
    setting = pair.setting
    runs = zip(our_training(pair.core, setting), their_training(pair), our_training(pair.nudged, setting), strict=True)
    rows: list[dict[str, Value]] = []
    for number, (ours, theirs, nudged) in enumerate(runs, start=1):
        row: dict[str, Value] = {"step": number}
        for key in setting.recipe.losses:
            errors_of_loss = f"{error(ours[key], theirs[key]):.1e} ({error(nudged[key], ours[key]):.1e})"
            row[key] = f"{float(ours[key]):.4f} {errors_of_loss}"
        same = torch.equal(ours["halt"], theirs["halt"])
        rows.append(row | {"rows that halt": int(ours["halt"].sum()), "halt there": "the same" if same else "OTHERS"})
    notes = []
    for whose, others in (("theirs", pair.their_weights()), ("nudged", pair.nudged.state_dict())):
        apart = [((w - others[key]).abs() / w.abs().max()).flatten() for key, w in pair.core.state_dict().items()]
        every = torch.cat(apart)
        share = (every > 1e-4).double().mean()
        notes.append(f"weights against {whose}: largest error {every.max():.1e}, {share:.3%} above 1e-4")
    yield Part("training", f"{name}: training; loss, error (nudged)", rows, notes)


def measure(options: Options) -> Iterator[Part]:
    """Compares every core of the network's recipe."""
    use_threads(options.threads)
    reference = PaperCode(options.network, options.reference)
    setting = Setting(options, PuzzleShape(SEQ_LEN, VOCAB_SIZE, options.puzzle_ids))
    for name, core_options in setting.recipe.cores.items():
        yield from compare(name, Pair(setting, reference, **core_options))


if __name__ == "__main__":
    run(Options, measure)
