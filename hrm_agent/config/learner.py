"""The options of the learning rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hrm_agent.config.depth import Depth, depth_stages
from hrm_env.checks import check_choice, check_number, shortened

OptimizerName = Literal["adam-atan2", "adamw", "muon"]
TokenLossName = Literal["stablemax", "softmax"]
Bootstrap = Literal["second-pass", "next-step", "none"]
HaltLossName = Literal["q-learning", "pondernet"]
_AMOUNTS = (
    *("learning_rate", "weight_decay", "muon_learning_rate", "muon_weight_decay", "puzzle_embedding_lr"),
    *("halt_loss_weight", "continue_loss_weight", "segment_cost", "ponder_weight", "max_grad_norm"),
)
_SHARES = ("label_smoothing", "ponder_prior", "muon_momentum", "ema")


@dataclass(frozen=True)
class LearnerConfig:
    """Options of the learning rule; the defaults are the paper's.

    Attributes:
        optimizer: ``"adam-atan2"``, ``"adamw"``, or ``"muon"`` for the matrices of the modules with AdamW for the rest.
        learning_rate: Full rate after warm-up.
        betas: Decay of the optimizer's two moments; the first is Muon's momentum.
        weight_decay: Decoupled weight decay.
        muon_learning_rate: Muon's own rate, in its own measure: the update's singular values are the rate times
            √max(1, rows/columns). None for ``learning_rate``, in AdamW's measure.
        muon_weight_decay: Muon's own, None for ``weight_decay``.
        muon_momentum: Muon's own, None for the first of ``betas``.
        puzzle_embedding_lr: Rate of the puzzle embedding's sign-SGD, None for ``learning_rate``.
        token_loss: ``"stablemax"`` or ``"softmax"``.
        label_smoothing: Share ε of the token loss that is spread evenly over all classes; see `learning.losses`.
        halt_loss: How the agent learns when to halt: ``"q-learning"`` (the paper) or ``"pondernet"``, which makes
            σ(q_halt) the probability λ of halting now and weighs the answers with it; see `learning.ponder`.
        halt_loss_weight: Weight of the halt loss beside the token loss.
        continue_loss_weight: Weight of the continue loss.
        q_bootstrap: Where the continue target comes from: ``"second-pass"``, a second forward pass without gradient
            (reference code); ``"next-step"``, the step that is taken anyway: the stored Q-head input of the segment
            before is updated toward the values just computed; ``"none"``, no continue loss.
        segment_cost: What a segment costs in the target of Q_continue, as a share of the reward of a right answer.
        ponder_prior: PonderNet's prior probability of halting at each segment, λ_p.
        ponder_weight: Weight of the divergence from that prior, β.
        max_grad_norm: Largest norm of the gradient, which is clipped to it; None, the paper's choice, for no clipping.
        ema: Decay of an exponential moving average of the weights that acts and is evaluated; None for none. The
            puzzle embedding is not averaged.
        depth: A depth curriculum: stages of (share of the run at which it begins, cycles N, steps T), such as 0 1 2
            0.3 2 4 0.6 3 6; the last is the core's full depth. None for full depth from the start.
    """

    optimizer: OptimizerName = "adam-atan2"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1.0
    muon_learning_rate: float | None = None
    muon_weight_decay: float | None = None
    muon_momentum: float | None = None
    puzzle_embedding_lr: float | None = None
    token_loss: TokenLossName = "stablemax"
    label_smoothing: float = 0.0
    halt_loss: HaltLossName = "q-learning"
    halt_loss_weight: float = 0.5
    continue_loss_weight: float = 0.5
    q_bootstrap: Bootstrap = "second-pass"
    segment_cost: float = 0.0
    ponder_prior: float = 0.2
    ponder_weight: float = 0.01
    max_grad_norm: float | None = None
    ema: float | None = None
    depth: Depth = ()

    @property
    def learns_q_continue(self) -> bool:
        """Whether Q_continue has a loss."""
        return self.halt_loss == "q-learning" and self.q_bootstrap != "none" and self.continue_loss_weight > 0

    def __post_init__(self) -> None:
        """Checks types and ranges; numbers become floats, sequences tuples."""
        choices = {
            "optimizer": OptimizerName,
            "token_loss": TokenLossName,
            "halt_loss": HaltLossName,
            "q_bootstrap": Bootstrap,
        }
        for name, choice in choices.items():
            check_choice(name, getattr(self, name), get_args(choice))
        for name in (*_AMOUNTS, *_SHARES):
            value = getattr(self, name)
            if value is not None or getattr(type(self), name) is not None:  # None stays, if it is the default
                self._set(name, _below_one(name, value) if name in _SHARES else check_number(name, value, 0))
        for name in ("ponder_prior", "max_grad_norm"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name}: expected more than 0, found 0")
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise ValueError(f"betas: expected the decays of two moments, found {shortened(self.betas)}")
        self._set("betas", tuple(_below_one("betas", beta) for beta in self.betas))
        self._set("depth", depth_stages(self.depth))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _below_one(name: str, value: object) -> float:
    """Returns the value as a float, if it is from 0 to below 1."""
    if check_number(name, value, 0, 1) == 1:
        raise ValueError(f"{name}: expected a number from 0 to below 1, found {value}")
    return check_number(name, value)
