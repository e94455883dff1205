# %% [markdown]
# # Your own puzzle, from rules to agent
#
# A puzzle family is one class: sizes, a generator and the rules. This tutorial makes one of Minesweeper: some cells
# show how many mines touch them, and the agent marks each hidden cell as a mine or as safe. Then it trains an agent
# on it. Training takes about 20 seconds on two cores.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

import hrm_env
from hrm_agent import HRM
from hrm_env import Puzzles, PuzzleSpec, PuzzleTask, Symmetry, check_task, draw_puzzle

# %% [markdown]
# ## The class
#
# A puzzle is a sequence of tokens. Token 0 is PAD, and the characters of `alphabet` are tokens 1, 2, ...: a hidden
# cell, a safe cell, a mine, and the numbers 0 to 8.
#
# - `generate` uses numpy and the given random numbers alone. It keeps a puzzle only if its solution is unique: it
#   tries every way to put mines under the hidden cells.
# - `satisfies_rules` uses torch, because it runs in the environment's step, for a whole batch. That the givens are
#   kept is checked elsewhere.
# - `symmetries` and `symmetry_key` are not necessary. Rotations and reflections give more puzzles to train on, and
#   with the key all variants of a puzzle come into the same split.
# - `conflicts` is not necessary, either. It tells drawings which cells to mark.

# %%
BLANK, SAFE, MINE, ZERO = 1, 2, 3, 4  # tokens


class Minesweeper(PuzzleTask):
    """Marks the mines under the hidden cells of an n×n field; a number counts the mines that touch its cell."""

    alphabet, blank = ".-*012345678", "."

    def __init__(self, n: int = 4, hidden: int = 7, mines: int = 3) -> None:
        self.spec = PuzzleSpec(f"mines:{n}x{n}", height=n, width=n, vocab_size=len(self.alphabet) + 1)
        self.hidden, self.mines = hidden, mines
        row, column = np.divmod(np.arange(n * n), n)
        distance = np.maximum(abs(row[:, None] - row), abs(column[:, None] - column))
        self.touching = (distance == 1).astype(np.float32)  # (L, L)
        field = np.arange(n * n).reshape(n, n)
        turned = [turn[::down, ::right] for turn in (field, field.T) for down in (1, -1) for right in (1, -1)]
        self.turns = np.array([turn.ravel() for turn in turned])  # (8, L)

    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """Draws fields, and keeps those with one solution."""
        size = self.spec.seq_len
        ways = np.arange(2**self.hidden)[:, None] >> np.arange(self.hidden) & 1  # all ways to put mines
        inputs, solution = [], []
        while len(inputs) < count:
            cells = rng.permutation(size)
            hidden, shown = cells[: self.hidden], cells[self.hidden :]
            numbers = self.touching[hidden[: self.mines]].sum(0)
            fits = (ways @ self.touching[np.ix_(hidden, shown)] == numbers[shown]).all(1)
            if fits.sum() == 1:
                question = np.where(np.isin(np.arange(size), hidden), BLANK, ZERO + numbers)
                answer = np.where(question == BLANK, SAFE, question)
                answer[hidden[: self.mines]] = MINE
                inputs.append(question)
                solution.append(answer)
        return Puzzles(np.array(inputs, np.uint8), np.array(solution, np.uint8))

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether every number is right and no cell is left hidden, (B,)."""
        around = (answer == MINE).float() @ torch.from_numpy(self.touching).to(answer.device)
        return ((answer == SAFE) | (answer == MINE) | (answer == ZERO + around)).all(-1)

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry:
        """Draws one of the eight rotations and reflections for each puzzle."""
        drawn = torch.randint(8, (count,), generator=generator, device=generator.device)
        tokens = torch.arange(self.spec.vocab_size, device=generator.device)
        return Symmetry(torch.from_numpy(self.turns).to(generator.device)[drawn], tokens.expand(count, -1))

    def symmetry_key(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the smallest key of the eight variants."""
        return np.min([PuzzleTask.symmetry_key(self, inputs[:, turn]) for turn in self.turns], axis=0)

    def conflicts(self, answer: np.ndarray) -> np.ndarray:
        """Marks the numbers that are wrong."""
        return (answer >= ZERO) & (answer != ZERO + (answer == MINE) @ self.touching)


# %% [markdown]
# ## The tests
#
# `check_task` tests the methods against each other: the generator is reproducible, the rules accept every solution
# and judge rows by themselves, symmetric variants stay solved and share their key, and everything can be drawn. Only
# you know whether the rules are those of your puzzle, so add a puzzle that you solved by hand.

# %%
task = Minesweeper()
check_task(task)

small = Minesweeper(2, hidden=2, mines=1)
question, right, wrong = (torch.tensor(small.encode(text)).long()[None] for text in ("1..1", "1*-1", "1**1"))
assert small.check(question, right).item()
assert not small.check(question, wrong).item()

# %% [markdown]
# ## The environment
#
# One line registers the scalar and the batched environment. A naive answer, all safe, breaks the rules at the cells
# on orange.

# %% alt="A Minesweeper puzzle, a wrong answer with the wrong numbers on orange, and the solution"
hrm_env.register("HRM-Mines-v0", task, max_segments=6, num_puzzles=3000)

env = gym.make("HRM-Mines-v0")
observation, info = env.reset(seed=0)
naive = np.where(observation["inputs"] == BLANK, SAFE, observation["inputs"])
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axes, title, answer in zip(
    panels, ("puzzle", "all safe", "solution"), (None, naive, info["solution"]), strict=True
):
    axes.imshow(draw_puzzle(task, observation["inputs"], answer, info["solution"]))
    axes.set_title(title)
    axes.axis("off")
plt.show()

# %% [markdown]
# ## The agent
#
# Nothing in the agent knows the puzzle. It reads tokens and learns from `info["solution"]`.

# %%
core = {"hidden_size": 64, "num_heads": 2, "h_layers": 1, "l_layers": 1, "mixer": "mlp", "gradient": "last-cycle"}
model = HRM(
    "HRMPolicy",
    "HRM-Mines-v0",
    n_envs=64,
    env_kwargs={"augment": True},
    policy_kwargs=core,
    learning_rate=3e-3,
    warmup_steps=50,
    optimizer="adamw",
    weight_decay=0.1,
    token_loss="softmax",
    q_bootstrap="next-step",
    compile=False,
    seed=0,
)
model.learn(64 * 400)

test = gym.make_vec("HRM-Mines-v0", num_envs=250, split="test", order="once", num_puzzles=500)
for halting in ("fixed:1", "fixed:2", "fixed:6", "q-threshold:0.5", "verifier"):
    summary = model.evaluate(test, halting).summary()
    print(f"{halting:16} {summary['exact']:6.1%} at {summary['segments_mean']:.2f} segments")

# %% [markdown]
# `verifier` halts as soon as the answer satisfies the rules: our `satisfies_rules` is a halting rule, too. It solves
# more puzzles than the last segment does, because an agent that has learned only a little leaves some right answers
# again. Where the rules can be checked, a good answer need not be lost.
#
# ## What to try
#
# - Train longer, and make the field larger: `Minesweeper(5, hidden=10, mines=5)`. How much more training does it
#   take?
# - Hide cells until the solution would no longer be unique. Do such puzzles need more segments?
# - Leave `augment` out, or `symmetry_key`. What happens to the figures on test puzzles, and which of them can you
#   trust?
# - Paint the mines with `style` ([what a task may override](../own-puzzle.md#what-else-a-task-may-override)).
# - Put the class into a file `mines.py` and train with a preset: `python -m train fit --preset sudoku4x4 --env
#   mines:HRM-Mines-v0 --out runs/mines`.
# - Go on with [what goes on inside](6-inside.py).
