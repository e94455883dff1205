"""Imports run one way: hrm_env <- hrm_agent <- train, and the network rooms need torch alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SB3_ROOMS = {
    "agent.py",
    "saved_algorithm.py",
    "training.py",
    "policy.py",
    "vec_env.py",
    "puzzle_stream.py",
    "callbacks.py",
    "halting_env.py",
}
TORCH_ALONE = ("cores", "halting", "learning")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            own = path.parent.name == "train"  # its name in the wheel is another
            assert not node.level or (own and node.level == 1), f"{path}: relative import"
            yield node.module or ""


FILES = [path for room in ("hrm_env", "hrm_agent", "train") for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_their_direction(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    roots = {name.split(".")[0] for name in imports(path)}
    forbidden = {"hrm_env": {"hrm_agent", "train", "stable_baselines3"}}.get(room, {"train"})
    assert not roots & forbidden
    if room == "hrm_agent" and path.name not in SB3_ROOMS:
        assert "stable_baselines3" not in roots


@pytest.mark.parametrize("room", TORCH_ALONE)
def test_network_rooms_know_no_environment_class(room: str) -> None:
    allowed = {"hrm_env.task", "hrm_env.envs.grading", "hrm_env.checks"}
    for path in (ROOT / "hrm_agent" / room).glob("*.py"):
        names = set(imports(path))
        assert not {name.split(".")[0] for name in names} & {"gymnasium", "stable_baselines3"}
        assert {name for name in names if name.startswith("hrm_env")} <= allowed
        above = {
            "hrm_agent.sb3.agent",
            "hrm_agent.sb3.policy",
            "hrm_agent.sb3.vec_env",
            "hrm_agent.inference.evaluation",
            "hrm_agent.checkpoints.agent_file",
        }
        assert not names & above
