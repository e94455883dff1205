"""One config of an agent: whatever is a field of it is known to constructor, checkpoint, run card and command."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from agents import tiny_agent

from hrm_agent import HRM
from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.config import AgentConfig, HRMConfig, LearnerConfig
from hrm_agent.sb3.run_card import run_options
from hrm_env.checks import UnknownOptionError
from train import fit
from train.presets import PRESETS, Fit
from train.resume import check_same_options
from train.training import decided

OTHERS = {
    "optimizer": "adamw",
    "token_loss": "softmax",
    "halting": "q-threshold:0.25",
    "halt_loss": "pondernet",
    "q_bootstrap": "none",
    "exploration_per": "segment",
    "betas": (0.5, 0.25),
    "depth": ((0.0, 1, 1), (0.5, 2, 2)),
    "minibatches": 4,  # of 16 slots
}
"""Values other than the defaults, of the options that are no numbers or not any number."""


def changed() -> AgentConfig:
    """Returns a config in which every option differs from its default."""
    default = AgentConfig().by_name()
    numbers = {name: 0.25 if isinstance(value, float | None) else 3 for name, value in default.items()}
    return AgentConfig.of(**numbers | {"seed": 3} | OTHERS)


@pytest.fixture(scope="module")
def agent() -> HRM:
    return tiny_agent(**changed().by_name())


def test_every_option_is_changed_by_these_tests() -> None:
    default = AgentConfig().by_name()
    assert all(value != default[name] for name, value in changed().by_name().items())


@pytest.mark.parametrize("config", [AgentConfig(), changed(), AgentConfig(halting="")], ids=["default", "other", "own"])
def test_a_config_goes_through_json(config: AgentConfig) -> None:
    assert AgentConfig.of(**json.loads(json.dumps(config.by_name()))) == config


def test_names_are_those_of_the_fields() -> None:
    own = {option.name for option in fields(AgentConfig)} - {"learner"}
    learning = {option.name for option in fields(LearnerConfig)}
    assert not own & learning
    assert set(AgentConfig.names()) == own | learning == AgentConfig().by_name().keys()
    with pytest.raises(UnknownOptionError, match="'sead'; did you mean 'seed'"):
        AgentConfig.of(sead=1)


def test_the_constructor_takes_and_shows_every_option(agent: HRM) -> None:
    assert agent.config == changed()
    parameters = inspect.signature(HRM).parameters
    defaults = {name: parameters[name].default for name in AgentConfig.names()}
    assert defaults == AgentConfig().by_name()
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values())


def test_a_constructor_of_ones_own_takes_them_too() -> None:
    class Mine(HRM):
        def __init__(self, *arguments: Any, colour: str = "red", **options: Any) -> None:
            super().__init__(*arguments, **options)

    assert list(inspect.signature(Mine).parameters) == ["arguments", "colour", "options"]
    assert Mine(warmup_steps=7).config.warmup_steps == 7
    with pytest.raises(UnknownOptionError, match=r"Mine\(\) .*'colours'; did you mean 'colour'"):
        Mine(colours=1)


def test_a_checkpoint_holds_every_option(agent: HRM, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    stored = read_checkpoint(tmp_path / "agent.zip")[0]["options"]
    assert stored == json.loads(json.dumps({"n_envs": agent.n_envs, **changed().by_name()}))
    assert HRM.load(tmp_path / "agent", device="cpu").config == changed()


def test_the_run_card_shows_every_option(agent: HRM) -> None:
    card = {name.partition("/")[2]: value for name, value in run_options(agent).items()}
    expected = changed().by_name()
    assert card["policy"] == expected.pop("halting")
    assert {name: card[name] for name in expected} == {
        name: value if isinstance(value, int | float | str) else str(value) for name, value in expected.items()
    }


def test_the_command_takes_every_option(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "run"), "--hidden-size", "16"]
    for name, value in changed().by_name().items():
        flat = [part for stage in value for part in stage] if name == "depth" else value
        texts = flat if isinstance(flat, list | tuple) else [flat]
        arguments += [f"--{name.replace('_', '-')}", *map(str, texts)]
    options = fit.parse(arguments, "fit")
    assert options.by_name() == changed().by_name()
    assert {option.name for option in fields(AgentConfig)} <= asdict(options).keys()


@pytest.mark.parametrize("hardware", ["float32", "bfloat16"])
def test_auto_is_resolved_when_a_run_begins_and_not_when_presets_are_imported(
    hardware: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Fit().core
    assert isinstance(core, HRMConfig)
    assert PRESETS["sudoku6x6"].core == replace(core, dtype="auto")
    monkeypatch.setattr("hrm_agent.cores.blocks.precision", lambda dtype: hardware if dtype == "auto" else dtype)
    options = fit.parse(["--out", str(tmp_path)], "fit")
    assert asdict(decided(options, {}))["core"]["dtype"] == hardware  # as it is stored
    for stored in ("float32", "bfloat16"):  # the run goes on elsewhere as it began
        assert asdict(decided(options, {"core": {"dtype": stored}}))["core"]["dtype"] == stored
        check_same_options(tmp_path, json.loads(json.dumps(asdict(decided(options, {})))), options)
    assert fit.parse(["--out", str(tmp_path), "--dtype", "float32"], "fit").core == replace(core, dtype="float32")
