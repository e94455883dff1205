"""``python -m train watch``: see an agent solve puzzles in the terminal, segment by segment."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
import tyro

from hrm_agent.agent import HRM
from hrm_agent.reasoning import Reasoner
from hrm_env.grading import exact_match
from hrm_env.vector import PuzzleVectorEnv
from train.trained import Trained


@dataclass(frozen=True)
class Watch(Trained):
    """See an agent solve puzzles in the terminal, segment by segment.

    Attributes:
        puzzles: How many to show.
        first: Number of the first one.
        pause: Seconds between segments.
    """

    puzzles: int = 3
    first: int = 0
    pause: float = 0.5


def main(arguments: list[str]) -> None:
    """Parses the options and shows the puzzles."""
    options = tyro.cli(Watch, args=arguments, prog="python -m train watch")
    torch.set_num_threads(1)
    model, env = options.load(num_envs=1)
    count = len(env.rules.puzzles)
    if not 0 <= options.first < count:
        raise ValueError(f"--first: expected 0 to {count - 1}, found {options.first}")
    for index in range(options.first, min(options.first + options.puzzles, count)):
        watch(model, env, index, options.pause)


def watch(model: HRM, env: PuzzleVectorEnv, index: int, pause: float) -> None:
    """Prints puzzle ``index`` and the agent's answer after every segment until it halts."""
    task, budget = env.rules.task, env.rules.max_segments
    inputs, solution, puzzle_id = (tensor[index : index + 1].long() for tensor in env.rules.tensors())
    print(f"\nPuzzle {index}\n{task.to_text(inputs[0])}")
    reasoner = Reasoner(model.policy.acting_core, model.halting, budget, batch_size=1)
    previous = None
    for segment in range(budget):
        time.sleep(pause)
        used = torch.tensor([segment])
        answer, halt, output = reasoner.think(inputs, puzzle_id, used == 0, used, solution)
        belief = f"Q halt {output.q_halt.sigmoid().item():.2f}, continue {output.q_continue.sigmoid().item():.2f}"
        print(f"\nsegment {segment + 1} of {budget}: {belief}{', halts' if halt else ''}")
        print(task.to_text(inputs[0], answer[0], solution[0], previous))
        previous = answer[0]
        if halt:
            print("solved" if exact_match(answer, solution) else "not solved")
            return
