# %% [markdown]
# # A puzzle as an environment
#
# A puzzle is an episode, and a step is one segment of thinking. At every step the agent hands in an answer for every
# cell and a decision: stop, or go on. This tutorial steps an environment by hand, and then writes an agent without a
# network that solves 6×6 Sudoku by elimination. It takes a few seconds.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import hrm_env

# %% [markdown]
# ## One episode by hand
#
# `import hrm_env` registers the ids. An observation holds the puzzle's tokens and the number of segments used so far.
# Token 0 is PAD, 1 is a blank cell, and the digit d is the token d + 1.

# %%
env = gym.make("HRM-Sudoku4x4-v0", render_mode="rgb_array", max_segments=4)
observation, info = env.reset(seed=0)
print(observation["inputs"].reshape(4, 4))
print("segments used:", observation["segment"])
print("action:", env.action_space)

# %% [markdown]
# The action has 16 answer tokens and one decision, 1 to halt and 0 to continue. The solution is not in the
# observation; `info` holds it for supervised learning. First we hand in a wrong answer, every blank cell a 1, and
# continue. A step that continues pays nothing. Then we hand in the solution and halt.

# %% alt="A 4x4 Sudoku: the puzzle, a wrong answer in red with conflicts in orange, and the solution in green"
blank = observation["inputs"] == 1
wrong = np.where(blank, 2, observation["inputs"])

pictures = [env.render()]
for answer, halt in ((wrong, 0), (info["solution"], 1)):
    observation, reward, terminated, _, info = env.step(np.append(answer, halt))
    pictures.append(env.render())
    print(f"segment {observation['segment']}: reward {reward}, terminated {terminated}")
print("ended by:", info["halt_reason"])
Image.fromarray(np.hstack(pictures))

# %% [markdown]
# Red cells are wrong, and cells on orange break a rule. An agent that never halts is graded at its last segment: the
# budget is part of the episode, so this end is `terminated`, too.

# %%
observation, info = env.reset(seed=1)
solution, terminated = info["solution"], False
while not terminated:
    observation, reward, terminated, _, info = env.step(np.append(solution, 0))
print(f"reward {reward} after {info['segments']} segments, ended by: {info['halt_reason']}")

# %% [markdown]
# ## An agent without a network
#
# Any program that returns actions is an agent. This one fills in every cell that has one candidate left, and every
# digit that has one place left in a row, column or box. It does so once per segment, for a whole batch of puzzles.
# Its state is the grid that it has filled in so far; the environment does not keep it.

# %%
row, column = np.divmod(np.arange(36), 6)
box = row // 2 * 2 + column // 3  # boxes of 2 rows and 3 columns
units = np.stack([part == k for part in (row, column, box) for k in range(6)]).astype(int)  # (18, 36)
peers = units.T @ units > 0


def eliminate(grid: np.ndarray) -> np.ndarray:
    """Fills in every cell that follows at once; grids are tokens (B, 36)."""
    digits = grid[:, :, None] == np.arange(2, 8)  # (B, 36, 6)
    possible = ~(peers @ digits.astype(int) > 0) & (grid == 1)[:, :, None]
    only_digit = possible.sum(2, keepdims=True) == 1
    only_place = np.einsum("us,bud->bsd", units, units @ possible.astype(int) == 1) > 0
    found = possible & (only_digit | only_place)
    return np.where(found.any(2), found.argmax(2) + 2, grid)


# %% [markdown]
# `gym.make_vec` makes the batched environment. With `order="once"` every puzzle is dealt once, and `info["active"]`
# marks the slots that hold a puzzle. The halting rule is an argument of our loop, because it is a decision apart from
# the answer.

# %%
BUDGET = 10
puzzles = {"split": "test", "order": "once", "num_puzzles": 500, "max_segments": BUDGET}
env = gym.make_vec("HRM-Sudoku6x6-v0", num_envs=500, **puzzles)


def play(halts) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many puzzles ended at each segment, and how many of them were solved."""
    ended, solved = np.zeros((2, BUDGET), int)
    observation, _ = env.reset(seed=0)
    grid = observation["inputs"].astype(int)
    for segment in range(BUDGET):
        before, grid = grid, eliminate(grid)
        halt = halts(before, grid)
        _, reward, terminated, _, _ = env.step(np.column_stack([grid, halt]))
        ended[segment], solved[segment] = terminated.sum(), reward.sum()
    return ended, solved


def full(before: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Halts when no cell is blank."""
    return (grid != 1).all(1)


def full_or_stuck(before: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Halts when no cell is blank, or when the last segment has found nothing."""
    return full(before, grid) | (grid == before).all(1)


# %% alt="Number of puzzles that end at each segment under two halting rules"
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for axes, halts in zip(panels, (full, full_or_stuck), strict=True):
    ended, solved = play(halts)
    mean = (ended * np.arange(1, BUDGET + 1)).sum() / ended.sum()
    axes.bar(range(1, BUDGET + 1), ended, color="#d1d5da", label="ended")
    axes.bar(range(1, BUDGET + 1), solved, color="#2da44e", label="solved")
    axes.set(title=f"{halts.__name__}: {solved.sum() / ended.sum():.1%} in {mean:.2f} segments", xlabel="segment")
    print(f"{halts.__name__:14} solves {solved.sum() / ended.sum():.1%} in {mean:.2f} segments on average")
panels[0].set_ylabel("puzzles")
panels[0].legend()
plt.show()

# %% [markdown]
# Hard puzzles take more segments than easy ones, and some cannot be solved by elimination alone. The second rule
# solves the same puzzles and stops early on the hopeless ones. A halting rule is therefore worth a comparison of its
# own, which is what this project is about.
#
# ## Other puzzles
#
# All families have the same interface. The agent marks a shortest path in a maze, and in ARC it draws the output
# grid.

# %% alt="A maze of 10x10 cells and its shortest path"
env = gym.make("HRM-Maze10x10-v0", render_mode="rgb_array", num_puzzles=50)
observation, info = env.reset(seed=0)
question = env.render()
env.step(np.append(info["solution"], 1))
print(hrm_env.registered_ids())
Image.fromarray(np.hstack([question, env.render()]))

# %% [markdown]
# ## What to try
#
# - Set `reward="cells"` in `gym.make`: the reward is then the share of right cells. `segment_cost=0.01` makes time
#   cost something.
# - Hand in nothing where the agent is stuck: an answer of all 0 abstains, and `wrong_cost=1` makes a wrong answer
#   worse than none ([environments](../environments.md#the-contract)).
# - Make the puzzles easier with `blank_fraction=0.5`, and look at the histogram again.
# - Teach `eliminate` to guess. How many segments does it need then?
# - Go on with [an agent that learns](2-watch.py).
