# %% [markdown]
# # What goes on inside
#
# A segment of HRM is many inner steps: the fast state $z_L$ moves several times, then the slow state $z_H$ once, and
# so on. This tutorial looks at these steps in a released agent: how far they move the states, how many dimensions the
# states use, and which answers the agent would give in between. It takes a few seconds.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
from dataclasses import asdict

import matplotlib.pyplot as plt
import numpy as np
import torch

from hrm_agent import (
    inner_answers,
    inner_states,
    load_pretrained,
    make_core,
    participation_ratio,
    residuals,
    spike_ratios,
)
from hrm_env import PuzzleBatch, draw_puzzle, load_puzzles, make_task

agent = load_pretrained("sudoku6x6")
core = agent.policy.acting_core
task = make_task("sudoku:2x3")
puzzles = PuzzleBatch.of(load_puzzles(task, num_puzzles=100, split="test"))
SEGMENTS = 6
print(f"{core.config.h_cycles} cycles of {core.config.l_cycles} steps of L and one of H in a segment")

# %% [markdown]
# ## Record every inner step
#
# `inner_states` hooks the modules that compute the states, so the code of the agent stays as it is. It yields one
# segment after another, each with its steps: the name of the state, its value before, and its new value. Any core
# that names its inner steps can be looked into, your own included.

# %%
episode = list(inner_states(core, puzzles.inputs, puzzles.puzzle_id, SEGMENTS))
print("steps of a segment:", [step.state for step in episode[0].steps])
print("a state:", tuple(episode[0].steps[0].value.shape), "(puzzles, positions, dimensions)")

# %% [markdown]
# ## Forward residuals
#
# How far does a step move its state? The residual of step $i$ is
#
# $$
# r_i = \lVert z_i - z_{i-1} \rVert
# $$
#
# as in figure 3 of the paper. There, $z_L$ settles within a cycle and moves again after each update of $z_H$: the
# hierarchy converges, but not too early. `spike_ratios` divides the residual of $z_L$ right after an update by that
# right before; above 1 the paper's picture holds.

# %% alt="Residual of every inner step of z_L and z_H over six segments"
found = residuals(episode)
states = np.array(found.states)
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for name, colour in (("z_l", "#0969da"), ("z_h", "#cf222e")):
    place = np.flatnonzero(states == name) + 1
    axes.plot(place, found.of(name).mean(1), "o-", ms=4, color=colour, label=name)
for border in range(len(states) // SEGMENTS, len(states), len(states) // SEGMENTS):
    axes.axvline(border + 0.5, color="#d1d5da", lw=1)
axes.set(xlabel="inner step (grey lines between segments)", ylabel="residual", ylim=(0, None))
axes.legend()
plt.show()

spikes = spike_ratios(found).numpy()
error = 1.96 * np.log(spikes).std(ddof=1) / np.sqrt(len(spikes))
middle = np.log(spikes).mean()
low, high = np.exp([middle - error, middle + error])
print(f"spike ratio {np.exp(middle):.2f} (95 % interval {low:.2f} to {high:.2f} over {len(spikes)} puzzles)")

# %% [markdown]
# In this agent the spikes are there, but small: with two steps in a cycle there is little time to settle. Most of the
# movement is in the first segments, in which most puzzles are solved.
#
# ## How many dimensions do the states use?
#
# The participation ratio of a cloud of states with covariance eigenvalues $\lambda$ is
#
# $$
# \mathrm{PR} = \frac{(\sum \lambda)^2}{\sum \lambda^2}
# $$
#
# It is 1 if all states lie on a line, and D if they fill all D dimensions alike. In the paper's figure 8 a trained
# $z_H$ uses three times as many dimensions as $z_L$, and an untrained one does not. Is that so here? We compare with
# the same network before training.

# %%
torch.manual_seed(0)
untrained = make_core(core.shape, **asdict(core.config))


def dimensions(network: torch.nn.Module) -> dict[str, float]:
    """Returns the participation ratio of each state, over all steps, puzzles and positions of an episode."""
    values: dict[str, list[torch.Tensor]] = {}
    for segment in inner_states(network, puzzles.inputs, puzzles.puzzle_id, SEGMENTS):
        for step in segment.steps:
            values.setdefault(step.state, []).append(step.value.float().flatten(0, -2))
    return {name: participation_ratio(torch.cat(parts).numpy()) for name, parts in values.items()}


for name, network in (("trained", core), ("untrained", untrained)):
    ratio = dimensions(network)
    print(f"{name:10} z_h {ratio['z_h']:5.1f}, z_l {ratio['z_l']:5.1f}, z_h / z_l {ratio['z_h'] / ratio['z_l']:.2f}")

# %% [markdown]
# In this agent it is not: training has made $z_H$ use fewer dimensions, and fewer than $z_L$. That does not
# contradict the paper, whose network is a hundred times as large and solves 9×9 puzzles. It says that the figure is a
# property of an agent, and has to be measured.
#
# ## Intermediate answers
#
# The output head reads $z_H$ at the end of a segment. `inner_answers` applies it after every inner step, as in figure
# 7 of the paper, and so shows how an answer comes about. We count the cells that break a rule and the cells that a
# step changes.

# %% alt="Cells that break a rule and cells that change, after every inner step"
answers = inner_answers(core, puzzles.inputs, puzzles.puzzle_id, SEGMENTS)
violations = answers.violations(task).mean(1)
changes = answers.changes().float().mean(1)
right = (answers.answers == puzzles.solution).all(-1).float().mean(1)

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
axes.plot(range(1, len(violations) + 1), violations, "o-", ms=4, color="#bc4c00", label="cells that break a rule")
axes.plot(range(2, len(violations) + 1), changes, "o-", ms=4, color="#57606a", label="cells that changed")
axes.set(xlabel="inner step", ylabel="cells of a puzzle, mean")
axes.legend()
plt.show()
per_segment = len(right) // SEGMENTS
print("solved after each segment:", right[per_segment - 1 :: per_segment].numpy().round(2))

# %% [markdown]
# And here is the puzzle that takes longest: its answers after steps of $z_H$, the last of them right.

# %% alt="Answers to one puzzle after steps of z_H, the last of them right"
slow = [step for step, name in enumerate(answers.states) if name == "z_h"]
solved = (answers.answers[slow] == puzzles.solution).all(-1)  # (steps, puzzles)
waits = torch.where(solved.any(0), solved.float().argmax(0), -1)
puzzle = int(waits.argmax())
shown = [slow[place] for place in np.unique(np.linspace(0, int(waits[puzzle]), 6).round().astype(int))]

figure, panels = plt.subplots(1, len(shown), figsize=(3 * len(shown), 3.3), layout="constrained", squeeze=False)
for axes, step in zip(panels[0], shown, strict=True):
    axes.imshow(draw_puzzle(task, puzzles.inputs[puzzle], answers.answers[step, puzzle], puzzles.solution[puzzle]))
    axes.set_title(f"inner step {step + 1}")
    axes.axis("off")
plt.show()

# %% [markdown]
# ## What to try
#
# - Look at one puzzle instead of the mean of a hundred. Do the spikes of a hard puzzle last longer?
# - Compare with `load_pretrained("sudoku4x4")`, and with a [recurrent baseline](../cores.md) of your own training.
# - Watch these figures while an agent learns: every run with `python -m train fit` logs them
#   ([TensorBoard](../tensorboard.md)).
# - Read the same figures with intervals and causal tests, on a training of your own: `python -m train figures
#   --paper`.
