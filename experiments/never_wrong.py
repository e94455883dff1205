"""How often an agent that may abstain is wrong, on generated Sudoku with one solution, without one, and with two.

    python -m experiments.never_wrong --checkpoint zoo:sudoku9-lattice --max-segments 64 --threads 1

Every policy sees the same test puzzles. With one solution an answer is right if it equals that solution. With two, it
may be either. Without a solution every answer is wrong, and the agent must abstain. Our solver counts the solutions.

The same command goes on where it was stopped. It prints a table and writes ``never_wrong.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tqdm import tqdm
from tyro.conf import UseAppendAction

from experiments.never_wrong_table import BANDS, DAMAGED, WHOLE, band_name, print_rows, rows_of
from hrm_env.checks import check_integer
from hrm_env.envs.spaces import LARGEST
from hrm_env.files import check_writable
from train.options import ProperShare, Seed, integer, named_values, read_options
from train.results import read_result, write_result
from train.running import exit_status, use_threads
from train.trained import Changed, Computing

if TYPE_CHECKING:
    from hrm_agent import HRM, Evaluation
    from hrm_env import Puzzles
    from hrm_env.tasks.sudoku.task import Sudoku

START = "python -m experiments.never_wrong"
POLICIES = ("abstain(verifier,verifier)", "abstain(q-threshold:0.95,q-threshold:0.95)")
"""The first hands in what the rules of the puzzle accept; the second, what the agent itself is sure of."""
PUZZLES = ("0=48500", "10=1000", "20=500")
CHUNK = 2000
"""Puzzles between two writings of the file."""


@dataclass(frozen=True, kw_only=True)
class NeverWrong(Computing, Changed):
    """Count the wrong answers of a Sudoku agent that may abstain; a count that was stopped goes on.

    Attributes:
        checkpoint: Folder of a run, a .zip file, zoo:NAME or hub:owner/name.
        policy: Halting policy that abstains; may be repeated; without it one with the verifier, and one with a
            threshold on Q.
        puzzles: RATING=COUNT, so many generated puzzles with one solution and this rating or more; may be repeated;
            without it 0=48500, 10=1000 and 20=500.
        damaged: Number of these puzzles, evenly spaced, from which one without a solution and one with two are made.
        max_segments: Budget of an episode; 0 for the agent's own.
        confidence: Confidence of each bound.
        seed: Seed of the puzzles.
        out: Folder of never_wrong.json.
    """

    checkpoint: str
    policy: Annotated[tuple[str, ...], UseAppendAction] = ()
    puzzles: Annotated[tuple[str, ...], UseAppendAction] = ()
    damaged: Annotated[int, integer(0)] = 5000
    max_segments: Annotated[int, integer(0, LARGEST.max_segments)] = 0
    confidence: ProperShare = 0.95
    seed: Seed = 0
    out: Path = Path("runs/never_wrong")

    @property
    def policies(self) -> tuple[str, ...]:
        """The halting policies, each once."""
        return tuple(dict.fromkeys(self.policy)) or POLICIES

    def counts(self) -> dict[int, int]:
        """Returns the number of puzzles for each least rating.

        Raises:
            ValueError: A text is not RATING=COUNT.
        """
        counts = named_values("--puzzles", self.puzzles or PUZZLES)
        for rating, count in counts.items():
            if not rating.isdecimal():
                raise ValueError(f"--puzzles: expected RATING=COUNT, found {rating}={count}")
            check_integer("--puzzles", count, 1)
        return {int(rating): count for rating, count in counts.items()}


def main(arguments: list[str]) -> None:
    """Reads the options, counts what is left to count, prints the table and writes it."""
    options: NeverWrong = read_options(NeverWrong, arguments, START)
    from hrm_agent import make_halting_policy
    from hrm_agent.puzzle_identity import puzzle_task
    from hrm_env.tasks.sudoku.task import Sudoku

    file, counts = options.out / "never_wrong.json", options.counts()
    check_writable("--out", file)
    for policy in options.policies:
        make_halting_policy(policy)
    use_threads(options.threads)
    model = options.load_agent(
        options.checkpoint, device=options.device, compile=options.compile, halting=options.policies[0]
    )
    task = puzzle_task(None, model.puzzles.task)
    if not isinstance(task, Sudoku):
        raise ValueError(f"--checkpoint: expected an agent for Sudoku, found one for {model.puzzles}")
    setting = setting_of(options, model, counts)
    chunks = kept_chunks(file, setting)
    count_all(options, model, task, puzzles_of(options, task, counts), file, setting, chunks)
    rows = rows_of(chunks, options.policies, options.confidence)
    write_result(file, {"setting": setting, "confidence": options.confidence, "rows": rows, "chunks": chunks})
    print_rows(rows, options.confidence)
    print(file)


def setting_of(options: NeverWrong, model: HRM, counts: Mapping[int, int]) -> dict[str, Any]:
    """Returns what the counts of a policy depend on, as JSON data."""
    from hrm_agent.traces.record import fingerprint

    return {
        "agent": fingerprint(model.policy.acting_core),
        "core_option": list(options.core_option),
        "max_segments": options.max_segments or model.max_segments,
        "puzzles": {str(rating): count for rating, count in counts.items()},
        "damaged": options.damaged,
        "seed": options.seed,
        "bands": list(BANDS),
        "chunk": CHUNK,
    }


def kept_chunks(file: Path, setting: Mapping[str, Any]) -> dict[str, dict[str, dict[str, int]]]:
    """Returns what a file holds already: for each chunk the tallies of its bands.

    Raises:
        ValueError: The file is of another agent or other puzzles, or no JSON.
    """
    if not file.exists():
        return {}
    found = read_result(file)
    if found.get("setting") != setting:
        raise ValueError(f"--out: expected a folder of this agent, budget and puzzles, found others in {file}")
    return dict(found["chunks"])


def puzzles_of(options: NeverWrong, task: Sudoku, counts: Mapping[int, int]) -> dict[str, Puzzles]:
    """Returns the puzzles by the number of their solutions: test puzzles, none of which is a usual one of seed 0."""
    from experiments.damaged_sudoku import with_two_solutions, without_solution
    from hrm_env import load_puzzles
    from hrm_env.puzzles import concatenate

    parts = []
    for rating, count in counts.items():
        harder = {"min_rating": rating} if rating else {}
        seed = 1000 * (options.seed + 1) + rating
        parts.append(load_puzzles(task, "generated", split="test", num_puzzles=count, puzzle_seed=seed, **harder))
    whole = concatenate(parts)
    found = {WHOLE: whole}
    if options.damaged:
        some = whole.spread(options.damaged)
        made = without_solution(task, some, options.seed), with_two_solutions(task, some, options.seed)
        found |= dict(zip(DAMAGED, made, strict=True))
    return {name: puzzles for name, puzzles in found.items() if len(puzzles)}


def count_all(
    options: NeverWrong,
    model: HRM,
    task: Sudoku,
    sets: Mapping[str, Puzzles],
    file: Path,
    setting: Mapping[str, Any],
    chunks: dict[str, dict[str, dict[str, int]]],
) -> None:
    """Sweeps every chunk that ``chunks`` lacks, adds its tallies there, and writes the file after each."""
    from hrm_env import PuzzleVectorEnv

    work = [
        (f"{policy}; {name}; {start}", policy, name, puzzles[start : start + CHUNK])
        for policy in options.policies
        for name, puzzles in sets.items()
        for start in range(0, len(puzzles), CHUNK)
    ]
    with tqdm(total=sum(len(part) for *_, part in work), unit=" puzzles", disable=None) as bar:
        for key, policy, name, part in work:
            if key not in chunks:
                env = PuzzleVectorEnv(
                    task,
                    min(options.batch_size, len(part)),
                    source=part,
                    max_segments=setting["max_segments"],
                    order="once",
                    array="torch",
                    device=model.device,
                )
                chunks[key] = tallies(model.evaluate(env, policy), part, name)
                write_result(file, {"setting": setting, "chunks": chunks})
            bar.update(len(part))


def tallies(found: Evaluation, puzzles: Puzzles, name: str) -> dict[str, dict[str, int]]:
    """Returns what came of the puzzles of each band, by the name of the band; damaged puzzles are one band.

    Args:
        found: What the agent did.
        puzzles: The puzzles.
        name: How many solutions they have.
    """
    other = found.valid & ~found.exact & (name == DAMAGED[1])
    columns: dict[str, Any] = {
        "puzzles": np.ones(len(puzzles), np.int64),
        "right": found.exact,
        "other": other,
        "abstained": found.abstained,
        "wrong": ~(found.abstained | found.exact | other),
        "segments": found.work,
    }
    if name in DAMAGED:
        return {name: {title: int(column.sum()) for title, column in columns.items()}}
    band = np.searchsorted(BANDS, puzzles.rating, side="right") - 1
    return {
        band_name(number): {title: int(column[band == number].sum()) for title, column in columns.items()}
        for number in np.unique(band).tolist()
    }


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:]), sys.argv[1:]))
