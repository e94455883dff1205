"""Bring your own puzzle: Latin squares, from the rules to a training agent."""

import gymnasium as gym
import numpy as np
from torch import Tensor, arange, cat

import hrm_env
from hrm_agent import HRM
from hrm_env import Puzzles, PuzzleSpec, PuzzleTask


class LatinSquare(PuzzleTask):
    """Every row and column of an n×n grid holds every letter once."""

    def __init__(self, n: int = 4) -> None:
        self.alphabet, self.blank = "." + "ABCDEFGH"[:n], "."  # token 0 is PAD, 1 is ".", 2 is "A", ...
        self.spec = PuzzleSpec(f"latin:{n}", height=n, width=n, vocab_size=n + 2)

    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """A cyclic square with rows and columns shuffled; a third of the cells is blanked."""
        n = self.spec.height
        cyclic = (np.arange(n)[:, None] + np.arange(n)) % n
        solution = np.stack([rng.permutation(cyclic)[:, rng.permutation(n)].ravel() + 2 for _ in range(count)])
        inputs = np.where(rng.random(solution.shape) < 1 / 3, 1, solution)
        return Puzzles(inputs.astype(np.uint8), solution.astype(np.uint8))

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Every sorted row and column must be A, B, C, ..."""
        grid = answer.reshape(-1, self.spec.height, self.spec.width)
        lines = cat([grid, grid.mT], dim=1).sort(-1).values
        return (lines == arange(2, self.spec.vocab_size, device=answer.device)).flatten(1).all(-1)


hrm_env.register("HRM-Latin-v0", LatinSquare(), max_segments=4, reward="rules")

if __name__ == "__main__":
    core = {"hidden_size": 64, "num_heads": 2, "h_layers": 1, "l_layers": 1, "mixer": "mlp"}
    model = HRM("HRMPolicy", "HRM-Latin-v0", n_envs=64, learning_rate=2e-3, warmup_steps=50, policy_kwargs=core)
    model.learn(64 * 300, progress_bar=True)
    print(model.evaluate(gym.make_vec("HRM-Latin-v0", num_envs=64, order="once", split="test")).summary())
