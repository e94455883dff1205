# %% [markdown]
# # Compare halting policies
#
# A trained agent improves its answer segment by segment. When should it stop? This tutorial swaps the rule, records
# the agent once, replays many rules on the recording, chooses the best, and tests the choice on other puzzles. It
# takes about half a minute.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
from torch import Tensor

from hrm_agent import (
    HALTING_POLICIES,
    HaltContext,
    HaltingPolicy,
    StudyPlan,
    Traces,
    load_pretrained,
    record,
    replay,
    run_study,
)

agent = load_pretrained("sudoku6x6")
BUDGET = 8


def puzzles(count: int, seed: int) -> gym.vector.VectorEnv:
    """Makes an environment that deals generated test puzzles once each."""
    sizes = {"num_envs": min(count, 250), "num_puzzles": count, "puzzle_seed": seed, "max_segments": BUDGET}
    return gym.make_vec("HRM-Sudoku6x6-v0", split="test", order="once", **sizes)


# %% [markdown]
# ## Swap the rule
#
# A policy is written as a string: its name, its parameters after colons, other policies in parentheses. The network
# stays the same; only the decision differs. `oracle` reads the solution and shows what perfect halting would reach.

# %%
few = puzzles(200, seed=1)
for halting in ("fixed:1", "fixed:2", "fixed:8", "q-compare", "q-threshold:0.5", "kl:0.01", "oracle"):
    summary = agent.evaluate(few, halting).summary()
    print(f"{halting:16} {summary['exact']:6.1%} at {summary['segments_mean']:.2f} segments")

# %% [markdown]
# ## Record once, replay every rule
#
# A policy sees signals alone: one number per puzzle and segment. So the agent thinks through all segments once, and a
# replay then makes the decisions that the live agent would make. A hundred policies take seconds.

# %%
POLICIES = (
    *(f"fixed:{segments}" for segments in range(1, BUDGET + 1)),
    *(f"q-threshold:{bar}" for bar in (0.3, 0.5, 0.7, 0.9, 0.95, 0.99)),
    *(f"kl:{bar}" for bar in (0.1, 0.01, 0.001)),
    *(f"entropy:{bar}" for bar in (0.3, 0.1, 0.03, 0.01)),
    *(f"margin:{bar}" for bar in (0.3, 0.5, 0.7, 0.9)),
    *("patience:1", "patience:2", "residual:0.3", "residual:0.1"),
    *("any(q-threshold:0.95, patience:2)", "all(q-threshold:0.5, margin:0.5)"),
)


def recorded(count: int, seed: int) -> Traces:
    """Records the agent on puzzles of a seed."""
    return record(agent.policy.acting_core, puzzles(count, seed).unwrapped, f"seed{seed}.traces")


first = recorded(500, seed=1)
study, _ = run_study([first], StudyPlan(POLICIES, reference="q-compare", budget=BUDGET, calibration=0))
table = study.frame()
print(table[["policy", "exact", "segments", "gain", "extra", "verdict"]].round(3).to_string(index=False))

# %% [markdown]
# `gain` is the accuracy less that of the reference, puzzle by puzzle, and `extra` the segments less those of the
# reference. The verdict reads their bootstrap intervals: *better* is fewer segments, and at most half a point less
# accurate.
#
# ## The frontier
#
# The upper left corner is where we want to be. A rule on the line is not beaten by any other in both respects.

# %% alt="Accuracy against mean segments of all policies, with the frontier, the reference and the chosen policy"
better = table[table.verdict == "better"]
chosen = better.loc[better.segments.idxmin()].policy if len(better) else study.reference
bound = replay(first, "oracle")

figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for family, rows in table.groupby("family"):
    axes.scatter(rows.segments, rows.exact, s=24, label=family)
frontier = table[table.frontier].sort_values("segments")
axes.step(frontier.segments, frontier.exact, where="post", color="#8c959f", lw=1, zorder=0)
axes.scatter(bound.segments.mean(), bound.exact.mean(), marker="*", s=90, color="black", label="oracle")
for policy, height in ((chosen, 0.7), (study.reference, 0.8)):
    row = study.row(policy)
    point = row.segments.value, row.exact.value
    axes.annotate(policy, point, (point[0] + 0.4, height), arrowprops={"arrowstyle": "-"})
axes.set(xlabel="mean segments", ylabel="solved", xlim=(0.8, BUDGET + 0.2))
axes.legend(loc="lower right")
plt.show()
print("chosen:", chosen)

# %% [markdown]
# ## Prove it
#
# We have chosen the best of many on these puzzles, so its figures are too good: of twenty equal rules, one looks
# better by chance. The test is on puzzles that nothing was chosen by. Both rules see the same puzzles and the same
# bootstrap draws, so the intervals are those of the paired difference.

# %%
second = recorded(1000, seed=2)
proof, replays = run_study([second], StudyPlan((chosen,), reference="q-compare", budget=BUDGET, calibration=0))
row = proof.row(chosen)
for name, scale, unit, estimate in (("accuracy", 100, "points", row.gain), ("segments", 1, "", row.extra)):
    value, low, high = (scale * number for number in estimate)
    print(f"{chosen} less q-compare, {name}: {value:+.2f} {unit} (95 % interval {low:+.2f} to {high:+.2f})")
print("verdict on new puzzles:", row.verdict)

# %% [markdown]
# An accuracy interval from 0 to 0 means that both rules solved the same puzzles of this sample. It does not mean that
# they always do: if none of N puzzles differs, up to 3/N of all puzzles still may (the rule of three, with 95 %
# confidence).

# %% [markdown]
# ## A rule of your own
#
# A policy is a class that names the signals it reads and decides. This one lowers the bar with every segment: at
# first it halts only if the agent is very sure, later if it is fairly sure.


# %%
class Hurried(HaltingPolicy):
    """Halts where Q_halt reaches a bar that falls with the segment."""

    rule = "q_halt ≥ {bar} − m"
    needs, parameters = ("q_halt",), (float,)

    def __init__(self, bar: float = 5.0) -> None:
        self.bar = bar

    def decide(self, context: HaltContext) -> Tensor:
        """Compares the signal with the bar of the segment."""
        return context["q_halt"] >= self.bar - context.segment


HALTING_POLICIES["hurried"] = Hurried  # a short name for strings

for policy in ("hurried:4", "hurried:6", "q-compare", chosen):
    found = replay(second, policy)
    print(f"{policy:16} {found.exact.mean():6.1%} at {found.segments.mean():.2f} segments")

# %% [markdown]
# ## What to try
#
# - Add rules to `POLICIES`: [halting policies](../halting.md) lists them all. Leave the list out
#   (`StudyPlan(budget=8)`), and the study takes some hundred of them and calibrates thresholds with a guarantee.
# - Use several views: `record(..., views=4)`, and then `halt-first:4` and `best-q:4`. What do they cost in segments
#   computed?
# - Let the agent be silent where it is not sure: `abstain(q-threshold:0.95, q-threshold:0.95)`.
# - The same with figures, from the shell: `python -m train study --checkpoint zoo:sudoku6x6 --num-puzzles 2000`
#   ([studies](../study.md)).
# - Go on with [a halting policy that PPO learns](4-learn-to-halt.py).
