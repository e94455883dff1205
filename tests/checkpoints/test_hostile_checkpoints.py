"""Our own checkpoints, changed with a checksum that is right again: structure, weights, options."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import doors
import numpy as np
import pytest
import torch
from agents import tiny_agent, trained_agent
from doors import OWN, refusal
from hostile import HUGE, archive, payloads, sealed, taken_apart
from safetensors.torch import load, save

from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training

PAYLOADS = payloads(Path("executed"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one, from which a run could go on."""
    path = tmp_path_factory.mktemp("saved") / "agent.zip"
    save_training(trained_agent(), path)
    return path


def test_every_changed_byte_is_found(checkpoint: Path, tmp_path: Path) -> None:
    whole, path = checkpoint.read_bytes(), tmp_path / "agent.zip"
    rng = np.random.default_rng(0)
    spread = rng.integers(len(whole), size=300)
    ends = np.concatenate([np.arange(60), np.arange(len(whole) - 300, len(whole))])  # of the zip's own fields
    for place in np.concatenate([spread, ends]):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        refusal(read_checkpoint, path)


def test_every_truncated_file_is_found(checkpoint: Path, tmp_path: Path) -> None:
    whole, path = checkpoint.read_bytes(), tmp_path / "agent.zip"
    lengths = np.random.default_rng(0).integers(len(whole), size=60)
    for length in (0, 1, 100, *lengths, len(whole) - 64, len(whole) - 1):
        path.write_bytes(whole[:length])
        said = refusal(read_checkpoint, path)
        assert "expected a complete checkpoint, found a damaged file" in said
    path.write_bytes(whole + b"x")
    refusal(read_checkpoint, path)


def test_equal_agents_are_equal_files(checkpoint: Path, tmp_path: Path) -> None:
    save_training(trained_agent(), tmp_path / "agent.zip")
    assert (tmp_path / "agent.zip").read_bytes() == checkpoint.read_bytes()


def attribute(name: str, value: Any) -> Callable[[list[zipfile.ZipInfo]], None]:
    """Changes the directory's entry of the first member."""
    return lambda listed: setattr(listed[0], name, value)


ALONE = r"expected config\.json and NAME\.safetensors alone, found "
PLAIN = r"expected plain files, not compressed, found another kind of "
STRUCTURES: dict[str, tuple[Callable[[dict[str, bytes]], bytes], str]] = {
    "above": (lambda m: sealed(m | {"../policy.safetensors": b""}), ALONE + r"'\.\./policy\.safetensors'"),
    "absolute": (lambda m: sealed(m | {"/tmp/policy.safetensors": b""}), ALONE + r"'/tmp/policy\.safetensors'"),
    "in a folder": (lambda m: sealed(m | {"a/b.safetensors": b""}), ALONE + r"'a/b\.safetensors'"),
    "a folder": (lambda m: sealed(m | {"a.safetensors/": b""}), ALONE + r"'a\.safetensors/'"),
    "code": (lambda m: sealed(m | {"code.py": b""}), ALONE + r"'code\.py'"),
    "a pickle": (lambda m: sealed(m | {"data.pkl": PAYLOADS["pickle, protocol 2"]}), ALONE + r"'data\.pkl'"),
    "a line": (lambda m: sealed(m | {"a\nb": b""}), ALONE + r"'a\\nb'"),
    "twice": (lambda m: sealed(m, lambda listed: listed.append(listed[0])), ALONE + "a name twice"),
    "no config": (lambda m: sealed({n: c for n, c in m.items() if n != "config.json"}), ALONE + r"no config\.json"),
    "a link": (lambda m: sealed(m, attribute("external_attr", 0o120777 << 16)), PLAIN + r"'config\.json'"),
    "compressed": (lambda m: sealed(m, attribute("compress_type", zipfile.ZIP_DEFLATED)), PLAIN + r"'config\.json'"),
    "unheard-of": (lambda m: sealed(m, attribute("compress_type", 77)), PLAIN + r"'config\.json'"),
    "encrypted": (lambda m: sealed(m, attribute("flag_bits", 1)), PLAIN + r"'config\.json'"),
    "longer than it lies": (lambda m: sealed(m, attribute("file_size", HUGE)), PLAIN + r"'config\.json'"),
    "beyond the file": (lambda m: sealed(m, larger), r"expected members within its \d+ bytes, found larger ones"),
    "one in another": (lambda m: sealed(m, overlapping), "found a damaged file"),
    "a version": (lambda m: sealed(m, attribute("extract_version", 99)), "found a damaged file"),
    "a bomb": (lambda m: sealed(m, attribute("compress_type", 12)), PLAIN),
    "other bytes": (lambda m: sealed(m)[:-64] + b"0" * 64, "found a damaged file .its checksum is another"),
    "no checksum": (archive, "found a damaged file .its checksum is gone"),
    "no JSON": (lambda m: sealed(m | {"config.json": b"{"}), "found a damaged file"),
    "brackets": (lambda m: sealed(m | {"config.json": b"[" * 100_000}), "found a damaged file"),
    "digits": (lambda m: sealed(m | {"config.json": b"1" * 100_000}), "found a damaged file"),
    "a list": (lambda m: sealed(m | {"config.json": b"[1, 2]"}), "expected checkpoint format 2, found 'list'"),
    "the future": (
        lambda m: sealed(m | {"config.json": b'{"format": 99}'}),
        "expected checkpoint format 2, found 99 of a newer version",
    ),
    "the past": (
        lambda m: archive(m | {"config.json": b'{"format": 1}'}),  # which had no checksum
        "expected checkpoint format 2, found 1 of an older version",
    ),
    "a pickle inside": (
        lambda m: sealed(m | {"policy.safetensors": PAYLOADS["pickle, protocol 2"]}),
        "found a damaged file",
    ),
    "promises": (
        lambda m: sealed(m | {"policy.safetensors": PAYLOADS["tensor of 10^18 numbers"]}),
        "found a damaged file",
    ),
}


def larger(listed: list[zipfile.ZipInfo]) -> None:
    """The first member reaches beyond the end of the file."""
    listed[0].file_size = listed[0].compress_size = HUGE


def overlapping(listed: list[zipfile.ZipInfo]) -> None:
    """One member begins where another does."""
    listed[1].header_offset = listed[0].header_offset


@pytest.mark.parametrize("door", OWN)
@pytest.mark.parametrize(("build", "message"), STRUCTURES.values(), ids=STRUCTURES)
def test_a_checkpoint_that_is_built_otherwise(
    checkpoint: Path, tmp_path: Path, door: str, build: Callable[[dict[str, bytes]], bytes], message: str
) -> None:
    path = tmp_path / OWN[door][0]
    path.write_bytes(build(taken_apart(checkpoint)[1]))
    assert re.search(message, refusal(OWN[door][1], path))


Tensors = dict[str, torch.Tensor]
TABLE = "core.token_embedding"
OTHERS = "expected the weights of (its own options|this agent), found others "
WEIGHTS: dict[str, tuple[Callable[[Tensors], Any], str]] = {
    "no number": (lambda t: t[TABLE][0].fill_(torch.nan), f"expected finite weights, found others in '{TABLE}'"),
    "infinite": (lambda t: t["core.q_bias"].fill_(torch.inf), "expected finite weights, found others in 'core.q_bias'"),
    "infinite average": (lambda t: t["average.module.q_bias"].fill_(torch.inf), "expected finite weights"),
    "wide": (
        lambda t: t.update({TABLE: torch.zeros(5, 17)}),
        OTHERS + r".*float32 \(5, 17\) instead of float32 \(5, 16",
    ),
    "flat": (lambda t: t.update({TABLE: t[TABLE].flatten()}), OTHERS + r".*float32 \(80,\) instead of float32 \(5, 16"),
    "double": (lambda t: t.update({TABLE: t[TABLE].double()}), OTHERS + ".*float64 .5, 16. instead of float32"),
    "integers": (lambda t: t.update({TABLE: t[TABLE].long()}), OTHERS + ".*int64 .5, 16. instead of float32"),
    "wide average": (
        lambda t: t.update({"average.module.q_bias": torch.zeros(3)}),
        OTHERS + ".*'average.module.q_bias'",
    ),
    "missing": (lambda t: t.pop("core.q_bias"), OTHERS + r".*'core.q_bias': none instead of float32 \(2,\)"),
    "none": (lambda t: t.clear(), OTHERS),
    "more": (
        lambda t: t.update({"core.x\ny": torch.zeros(1)}),
        OTHERS + r".*'core.x\\ny': float32 \(1,\) instead of none",
    ),
}


@pytest.mark.parametrize("door", OWN)
@pytest.mark.parametrize(("edit", "message"), WEIGHTS.values(), ids=WEIGHTS)
def test_other_weights(
    checkpoint: Path, tmp_path: Path, door: str, edit: Callable[[Tensors], Any], message: str
) -> None:
    _, members = taken_apart(checkpoint)
    tensors = load(members["policy.safetensors"])
    edit(tensors)
    path = tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"policy.safetensors": save(tensors)}))
    assert re.search(message, refusal(OWN[door][1], path))


Config = dict[str, Any]


def sizes(**changed: Any) -> Callable[[Config], None]:
    return lambda config: config["puzzles"]["sizes"].update(changed)


def core(**changed: Any) -> Callable[[Config], None]:
    return lambda config: config["policy_kwargs"].update(changed)


def options(**changed: Any) -> Callable[[Config], None]:
    return lambda config: config["options"].update(changed)


NOT_AN_AGENTS = "expected the options of an HRM agent, found "
COUNT = "expected an integer from 1 to "
CONFIGS: dict[str, tuple[Callable[[Config], Any], str]] = {
    "width": (core(hidden_size=16_000), OTHERS),
    "greater width": (core(hidden_size=10**9), f"hidden_size: {COUNT}16384, found 1000000000"),
    "impossible width": (core(hidden_size=10**400), "hidden_size: .* found an integer of 1,329 bits"),
    "another width": (core(hidden_size=32), OTHERS),
    "layers": (core(h_layers=2000, h_cycles=1), r"expected the weights of its own options, found \d+ tensors, too few"),
    "expansion": (core(expansion=1e300), "expansion: expected a finite number from 0 to 16384, found 1e.300"),
    "no expansion": (core(expansion=float("nan")), "expansion: expected a finite number from 0 to 16384, found nan"),
    "wide expansion": (core(expansion=16_000), OTHERS),
    "extra positions": (core(puzzle_positions=16_000), OTHERS),
    "cycles": (core(l_cycles=10**9), f"l_cycles: {COUNT}16384, found 1000000000"),
    "half a cycle": (core(h_cycles=1.5), f"h_cycles: {COUNT}16384, found 1.5"),
    "cycles of cycles": (
        core(l_cycles=1024, h_cycles=1024),
        "at most 16,384 passes through a block a segment, found 1",
    ),
    "cycles in text": (core(h_cycles="9"), f"h_cycles: {COUNT}16384, found '9'"),
    "a wide multiple": (core(mixer_multiple=10**400), "mixer_multiple: .* found an integer of 1,329 bits"),
    "views": (options(halting="halt-first:99999"), "halting 'halt-first:99999': expected at most 1,024 views"),
    "long thinking": (
        lambda c: (sizes(max_segments=65536)(c), options(halting="halt-first:999")(c)),
        "expected at most 4,194,304 passes through a block for one puzzle, found 6 a segment, 65,536 segments",
    ),
    "text for width": (core(hidden_size="16"), f"hidden_size: {COUNT}16384, found '16'"),
    "no core": (core(core="../../x"), "core: expected one of .*, found '../../x'"),
    "a list of cores": (core(core=["hrm"]), r"core: expected one of hrm, trm, .*, found \['hrm'\]"),
    "unknown option of the core": (core(shape=3), "core 'hrm' got an unexpected keyword argument 'shape'"),
    "options of the core": (lambda c: c.update(policy_kwargs=[1]), r"policy_kwargs: expected names with values, found"),
    "cells": (sizes(seq_len=10**12), f"seq_len: {COUNT}65536, found 1000000000000"),
    "no cells": (sizes(seq_len=0), f"seq_len: {COUNT}65536, found 0"),
    "cells in text": (sizes(seq_len="4"), f"seq_len: {COUNT}65536, found '4'"),
    "tokens": (sizes(vocab_size=10**9), f"vocab_size: {COUNT}65536"),
    "ids": (sizes(num_puzzle_ids=10**9), OTHERS),
    "budget": (sizes(max_segments=10**12), f"max_segments: {COUNT}65536"),
    "more sizes": (sizes(depth=3), "sizes: expected seq_len, vocab_size, .* found 'seq_len, .* depth'"),
    "no puzzles": (lambda c: c.update(puzzles=None), "puzzles: expected names with values, found None"),
    "another task's sizes": (
        lambda c: c["puzzles"].update(task="sudoku:2x2"),
        r"expected the sizes of sudoku:2x2 \(16 cells, 6 tokens\), found puzzles \(4 cells, 5 tokens\)",
    ),
    "a task that is none": (
        lambda c: c["puzzles"].update(task=3),
        "task: expected the name of a puzzle family, found 3",
    ),
    "no options": (lambda c: c.update(options={}), NOT_AN_AGENTS + "no 'n_envs'"),
    "unknown option": (options(x=1), NOT_AN_AGENTS + "another, 'x'"),
    "a folder to write to": (options(tensorboard_log="/tmp/x"), NOT_AN_AGENTS + "another, 'tensorboard_log'"),
    "seed": (options(seed=10**30), "seed: expected an integer from 0 to 4294967295, found 1000"),
    "no betas": (options(betas=[]), r"betas: expected the decays of two moments, found \[\]"),
    "infinite betas": (options(betas=[float("inf"), 0.9]), "betas: expected a finite number from 0 to 1, found inf"),
    "rate": (options(learning_rate="fast"), "learning_rate: expected a finite number of at least 0, found 'fast'"),
    "depth": (
        options(depth=[[0, 9, 9]]),
        r"depth: expected the last stage to be the core's .* \(2, 2\), found \(9, 9\)",
    ),
    "slots": (options(n_envs=-1), f"n_envs: {COUNT}16777216, found -1"),
    "another file": (options(halting="sb3:/dev/zero"), "halting 'sb3:/dev/zero': expected a policy that names no file"),
    "another file within": (options(halting="any(kl,min:2(sb3:/dev/zero))"), "expected a policy that names no file"),
    "a module": (options(halting="antigravity:Policy"), "expected a policy that imports no module"),
    "policies in policies": (options(halting="any(" * 999 + "kl" + ")" * 999), "halting .*: expected at most"),
    "no policy": (options(halting=None), "halting: expected the string form of a policy, found None"),
    "a policy's seed": (options(halting=f"random:0.5:{10**30}"), "seed: expected an integer of at most 2147483647"),
    "progress": (lambda c: c.update(updates=-1), "updates: expected an integer from 0 to 9007199254740992, found -1"),
    "far progress": (lambda c: c.update(num_timesteps=10**400), "num_timesteps: expected .* an integer of 1,329 bits"),
}


@pytest.mark.parametrize("door", ["load", "evaluate", "watch"])  # a run that goes on has its own options
@pytest.mark.parametrize(("edit", "message"), CONFIGS.values(), ids=CONFIGS)
def test_other_configs(
    checkpoint: Path, tmp_path: Path, door: str, edit: Callable[[Config], Any], message: str
) -> None:
    config, members = taken_apart(checkpoint)
    edit(config)
    path = tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"config.json": json.dumps(config).encode()}))
    assert re.search(message, refusal(OWN[door][1], path))


@pytest.mark.parametrize("command", [["release", "--out", "out"], ["evaluate", "--num-puzzles", "3"]])
def test_no_file_that_a_checkpoint_names_is_opened(
    checkpoint: Path, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, members = taken_apart(checkpoint)
    config["options"]["halting"] = f"sb3:{tmp_path}/pipe"
    os.mkfifo(tmp_path / "pipe")  # who opened it would wait for ever
    path = tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"config.json": json.dumps(config).encode()}))
    monkeypatch.chdir(tmp_path)
    assert "expected a policy that names no file" in refusal(doors.command(*command, "--checkpoint"), path)
    left = restore_training(tiny_agent(), TrainingCheckpoint.read(path))  # a run has the policy of its own options
    assert left == 0
