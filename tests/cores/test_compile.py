"""Compiled segments: the same as others, in training and in sweeps alone, when they pay, and never the end of a run."""

from __future__ import annotations

import copy
import functools
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import SHAPE, every_puzzle_once, native_env, relative_error, tiny_agent, tiny_core, weights
from torch import Tensor, nn
from torch._inductor import config as inductor_config

from hrm_agent import halting
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training
from hrm_agent.config import LearnerConfig
from hrm_agent.cores import compiling, library_paths
from hrm_agent.cores.compiling import compiled_pieces
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import Block, ReasoningModule
from hrm_agent.learning.adam_atan2 import AdamATan2
from hrm_agent.learning.learner import Learner
from hrm_env.task import PuzzleBatch

Test = Callable[..., None]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
# trying each of its instruction sets out is a C++ program more to compile
trusting_the_processor: Callable[[Test], Test] = inductor_config.patch({"cpp.vec_isa_ok": True})
ROWS = 4


def compile_with(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))


def no_compiler(*_: Any) -> Any:
    raise RuntimeError("no compiler is here\nand more that nobody reads")


def counting(graphs: list[torch.fx.GraphModule]) -> Any:
    """A backend that compiles nothing and keeps what it was given."""

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph

    return backend


def trained(compiled: bool) -> tuple[Learner, list[Tensor]]:
    """A learner after three steps, and their losses."""
    core = tiny_core(h_cycles=1, l_cycles=1)  # no step without gradient: a graph less to compile
    config = LearnerConfig(optimizer="adamw", learning_rate=1e-3, q_bootstrap="next-step", ema=0.9)
    learner = Learner(core, halting.make("fixed:4"), 4, config)
    if compiled:
        learner.compile(ROWS)
    generator = torch.Generator().manual_seed(0)
    inputs, solution = (torch.randint(1, SHAPE.vocab_size, (ROWS, SHAPE.seq_len), generator=generator) for _ in "xy")
    batch = PuzzleBatch(inputs, solution, torch.arange(ROWS) % SHAPE.num_puzzle_ids)
    carry, losses = core.initial_carry(ROWS), []
    for number in range(3):
        step = learner.step(carry, batch, torch.full((ROWS,), number))
        carry = step.carry
        losses.append(step.metrics["loss"])
    return learner, losses


def test_compiled_steps_are_the_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with("aot_eager", monkeypatch)  # captured and differentiated as for the real compiler, which takes a minute
    (eager, losses), (compiled, others) = trained(compiled=False), trained(compiled=True)
    assert torch.allclose(torch.stack(losses), torch.stack(others), rtol=1e-4)
    for name, weight in eager.core.state_dict().items():
        assert relative_error(compiled.core.state_dict()[name], weight) < 1e-3, name
    assert eager.core.state_dict().keys() == compiled.core.state_dict().keys()
    assert compiled._compiled  # nothing fell back


def test_all_blocks_share_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []
    torch.compiler.reset()
    compile_with(counting(graphs), monkeypatch)
    core = tiny_core(h_layers=3, l_layers=3, mixer="attention")
    learner = Learner(core, halting.make("fixed:2"), 2, LearnerConfig(optimizer="adamw"))
    learner.compile(ROWS)
    tokens = torch.ones(ROWS, SHAPE.seq_len, dtype=torch.long)
    batch = PuzzleBatch(tokens, tokens, torch.zeros(ROWS, dtype=torch.long))
    learner.step(core.initial_carry(ROWS), batch, torch.zeros(ROWS, dtype=torch.long))
    assert len(graphs) == 2  # with gradient and without


def moved(compiled: bool) -> list[Tensor]:
    """Weights after five steps of AdamATan2 at changing rates, one without a gradient at first."""
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in [(5, 7), (3,), (2, 3)]]
    optimizer = AdamATan2(weights)
    if compiled:
        optimizer.compile()
    for step in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        for weight in weights[: None if step else 2]:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return [weight.detach() for weight in weights]


@needs_compiler
@trusting_the_processor
def test_a_compiled_update_is_the_eager_one() -> None:
    torch.compiler.reset()
    for compiled, eager in zip(moved(compiled=True), moved(compiled=False), strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-5, atol=1e-6)


def test_no_step_and_no_rate_compiles_the_update_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []
    torch.compiler.reset()
    compile_with(counting(graphs), monkeypatch)
    found = moved(compiled=True)
    assert len(graphs) == 2  # of two weights, and of all three
    torch.testing.assert_close(found, moved(compiled=False))  # to the last bit only where torch fuses no operation


def test_an_update_that_does_not_compile_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.compiler.reset()
    compile_with(no_compiler, monkeypatch)
    with pytest.warns(UserWarning, match="compile: torch.compile failed, going on without it") as found:
        weights = moved(compiled=True)
    assert len(found) == 1
    assert all(torch.equal(weight, expected) for weight, expected in zip(weights, moved(compiled=False), strict=True))


def test_a_compiler_that_fails_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.compiler.reset()
    compile_with(no_compiler, monkeypatch)
    model = tiny_agent(compile=True)
    with pytest.warns(UserWarning, match="compile: torch.compile failed, going on without it") as found:
        model.learn(16 * 3)
    assert len(found) == 1
    assert "no compiler is here" in str(found[0].message)
    assert "nobody reads" not in str(found[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(16 * 3, reset_num_timesteps=False)  # is not tried again
    assert model.num_timesteps == 16 * 6


def test_without_a_compiler_learning_is_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with(no_compiler, monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fallen_back = weights(tiny_agent(compile=True).learn(16 * 3))
    eager = weights(tiny_agent(compile=False).learn(16 * 3))
    assert all(torch.equal(fallen_back[name], eager[name]) for name in eager)


@pytest.mark.parametrize(
    ("option", "break_even", "expected"),
    [(None, compiling.BREAK_EVEN, 0), (None, 0.0, 1), (False, 0.0, 0), (True, compiling.BREAK_EVEN, 1)],
)
def test_when_it_compiles(
    option: bool | None, break_even: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def noted(core: HRMCore, batch_size: int) -> Any:
        tried.append(batch_size)
        return []

    monkeypatch.setattr("hrm_agent.learning.learner.compiled_pieces", noted)
    monkeypatch.setattr(compiling, "BREAK_EVEN", break_even)
    monkeypatch.setattr(compiling, "_has_compiler", lambda: True)
    model = tiny_agent(compile=option, device="cpu")
    assert tried == []  # not before it learns
    model.learn(16 * 2)
    model.learn(16 * 2, reset_num_timesteps=False)
    assert tried == [16] * expected


def test_a_run_decides_when_it_begins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    compile_with("eager", monkeypatch)
    monkeypatch.setattr(compiling, "_has_compiler", lambda: True)
    model = tiny_agent().learn(16 * 3)
    monkeypatch.setattr(compiling, "BREAK_EVEN", 0.0)
    assert not model.learn(16 * 3, reset_num_timesteps=False).learner.compiled
    assert not capsys.readouterr().out
    assert model.learn(16 * 3).learner.compiled
    assert re.fullmatch(r"compile: 3 steps of more than 0\.\d+ s; they are compiled, .*\n", capsys.readouterr().out)
    monkeypatch.setattr(compiling, "BREAK_EVEN", 1e9)
    assert model.learn(16).learner.compiled


def test_a_run_that_goes_on_keeps_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with("eager", monkeypatch)
    for compiled in (False, True):
        path = tmp_path / f"{compiled}.zip"
        save_training(tiny_agent(native_env(), compile=compiled).learn(16 * 3), path)
        monkeypatch.setattr(compiling, "BREAK_EVEN", 1e9 if compiled else 0.0)
        model = tiny_agent(native_env())
        restore_training(model, TrainingCheckpoint.read(path))
        assert model.learn(16 * 3, reset_num_timesteps=False).learner.compiled == compiled


def test_where_it_would_pay_a_compiler_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiling, "BREAK_EVEN", 0.0)
    with inductor_config.patch({"cpp.cxx": ("no-such-compiler",)}), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not tiny_agent().learn(16 * 2).learner.compiled
    assert capsys.readouterr().out.startswith("compile: no C++ compiler is found")


@needs_compiler
@trusting_the_processor
def test_torch_may_lie_in_a_path_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor.cpp_builder import BuildOptionsBase

    (tmp_path / "a space").symlink_to(Path(torch.__file__).parent / "lib", target_is_directory=True)
    monkeypatch.setattr("torch.utils.cpp_extension.TORCH_LIB_PATH", str(tmp_path / "a space"))
    monkeypatch.setattr(BuildOptionsBase, "get_libraries_dirs", BuildOptionsBase.get_libraries_dirs)  # put back after
    monkeypatch.setattr("sys.prefix", str(tmp_path / "a space"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch.compiler.reset()
    library_paths.avoid_spaces()
    double = torch.compile(lambda x: x * 2, dynamic=False)
    assert double(torch.ones(3)).tolist() == [2.0, 2.0, 2.0]
    (link,) = (tmp_path / "cache" / "links").iterdir()
    assert library_paths.without_space(str(tmp_path / "a space")) == str(link)
    assert library_paths.without_space(str(tmp_path)) == str(tmp_path)


def test_predict_and_copies_run_no_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Block] = []

    def noted(block: Block, x: Tensor) -> Tensor:
        runs.append(block)
        return Block.forward(block, x)

    monkeypatch.setattr(torch, "compile", lambda function, **_: noted)
    model = tiny_agent(compile=True, ema=None)
    names = model.policy.state_dict().keys()
    model.learn(16)
    assert runs
    assert {id(block) for block in runs} <= {id(module) for module in model.policy.core.modules()}
    runs.clear()
    model.predict(native_env().reset()[0])
    copied = copy.deepcopy(model.policy.core)
    copied(copied.initial_carry(2), torch.ones(2, copied.shape.seq_len, dtype=torch.long), torch.zeros(2).long())
    assert not runs
    assert model.policy.state_dict().keys() == names
    assert all("run_block" not in vars(m) for m in model.policy.core.modules() if isinstance(m, ReasoningModule))


@pytest.mark.parametrize(("option", "expected"), [(None, 0), (False, 0), (True, 1)])
def test_full_batches_of_a_sweep_run_compiled_code(
    option: bool | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    def noted(block: Block, x: Tensor) -> Tensor:
        rows.append(len(x))
        return Block.forward(block, x)

    monkeypatch.setattr(torch, "compile", lambda function, **_: noted)
    model, plain = tiny_agent(compile=option), tiny_agent(compile=False)
    env = every_puzzle_once()
    found, figures = model.evaluate(env), plain.evaluate(env)
    assert set(rows) == ({env.num_envs} if expected else set())
    assert (found.answer == figures.answer).all()
    for policy in ("halt-first:2:0.5", "q-compare"):  # views that rest are no full batch
        rows.clear()
        model.evaluate(env, policy)
        assert set(rows) <= {env.num_envs * (2 if ":2" in policy else 1)}
    assert all("run_block" not in vars(m) for m in model.policy.core.modules() if isinstance(m, ReasoningModule))


def test_trying_out_the_compiler_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with("eager", monkeypatch)
    core = tiny_core()
    before, random = copy.deepcopy(core.state_dict()), torch.get_rng_state()
    compiled_pieces(core, ROWS)
    assert all(torch.equal(weight, before[name]) for name, weight in core.state_dict().items())
    assert all(parameter.grad is None for parameter in core.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_agent_after_agent_of_a_process_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []
    compile_with(counting(graphs), monkeypatch)
    torch.compiler.reset()
    found = []
    for hidden_size in range(8, 80, 8):
        graphs.clear()
        compiled_pieces(tiny_core(hidden_size=hidden_size), ROWS)
        found.append(len(graphs))
    assert found[0] > 1
    assert found == found[:1] * len(found)
