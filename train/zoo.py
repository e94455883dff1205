"""``python -m train zoo``: every released agent under several halting policies, as the table of docs/zoo.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from hrm_env.files import atomic_write

from .options import Threads, integer, parsed
from .running import use_threads
from .trained import Changed, Trained

if TYPE_CHECKING:
    from hrm_agent.halting import HaltingPolicy
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.traces.record import Traces

BEGIN, END = "<!-- made by python -m train zoo -->\n", "<!-- end -->\n"
"""What the table of a page stands between."""
OWN, ALL = "its own", "all segments"
"""In the place of a policy: the agent's own, and ``fixed:M`` for its budget M."""
VIEWS = 4
POLICIES = (OWN, "fixed:1", ALL, "q-compare", "q-threshold:0.5", "verifier", f"halt-first:{VIEWS}", "oracle")


@dataclass(frozen=True)
class Zoo(Changed):
    """Try every agent of the zoo under several halting policies, and write the table.

    An agent is tried on the test.csv in its folder or, where there is none, on generated test puzzles.

    Attributes:
        agents: Names of agents; all unless given.
        puzzles: Number of puzzles for each.
        page: Write the table to this page, between its two comments; empty prints it alone.
        threads: CPU threads; 0 for all cores.
    """

    agents: Positional[tuple[str, ...]] = ()
    puzzles: Annotated[int, integer(1)] = 1000
    page: str = ""
    threads: Threads = 1


def main(arguments: list[str]) -> None:
    """Parses the options, prints the table and writes it."""
    options: Zoo = parsed(Zoo, arguments, "zoo")
    from hrm_agent.checkpoints.names import zoo_names

    use_threads(options.threads)
    page = _parts(Path(options.page)) if options.page else None
    lines = [f"| agent | puzzles | {' | '.join(POLICIES)} |", "|---|---:" + "|---:" * len(POLICIES) + "|"]
    for name in options.agents or zoo_names():
        lines.append(row(name, options.puzzles, options.core_option))
        print(lines[-1])
    if page is not None:
        with atomic_write(Path(options.page)) as file:
            file.write("".join([page[0], BEGIN, *(f"{line}\n" for line in lines), END, page[1]]).encode())


def row(name: str, puzzles: int, core_option: tuple[str, ...] = ()) -> str:
    """Returns an agent's row: for each policy, the share of puzzles solved, its interval, and the mean segments."""
    from hrm_agent.halting import make

    from .study_recording import untrained_signals

    model, traces = recording(name, puzzles, core_option)
    special = {OWN: model.halting.name, ALL: f"fixed:{traces.header.max_segments}"}
    policies = [make(special.get(each, each)) for each in POLICIES]
    untrained = untrained_signals([model]).keys()
    cells = ["–" if untrained & set(policy.needs) else cell(traces, policy) for policy in policies]
    return f"| {name} | {len(traces):,} | {' | '.join(cells)} |"


def recording(name: str, puzzles: int, core_option: tuple[str, ...] = ()) -> tuple[HRM, Traces]:
    """Returns an agent, and all that it does on test puzzles."""
    from hrm_agent.checkpoints.names import existing_checkpoint
    from hrm_agent.traces.record import record

    checkpoint = f"zoo:{name}"
    given = existing_checkpoint(checkpoint).with_name("test.csv")
    source = {"source": str(given), "test_puzzles": puzzles} if given.is_file() else {"num_puzzles": puzzles}
    # few puzzles at a time: all their views stay in the processor's caches, which makes sudoku9 twice as fast
    model, env = Trained(checkpoint=checkpoint, core_option=core_option, **source).load(num_envs=16)
    with TemporaryDirectory() as folder:
        traces = record(model.policy.acting_core, env, Path(folder) / "zoo.traces", views=VIEWS)
    return model, traces


def cell(traces: Traces, policy: HaltingPolicy) -> str:
    """Returns what a policy reaches, such as "99.3% (98.6–99.7) in 2.72"."""
    from hrm_agent.study.proportion import wilson
    from hrm_agent.traces.replay import replay

    found = replay(traces, policy)
    low, high = wilson(float(found.exact.mean()), len(traces))
    return f"{found.exact.mean():.1%} ({100 * low:.1f}–{100 * high:.1f}) in {found.work.mean():.2f}"


def _parts(page: Path) -> tuple[str, str]:
    """Returns what stands before and behind the table of a page."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"--page: expected a page with the lines {BEGIN.strip()} and {END.strip()}, found {page}")
    return before, after
