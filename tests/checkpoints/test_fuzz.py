"""Thousands of damaged files: a loader either reads one, or says in one sentence of its own what is wrong with it.

It raises nothing but its documented exception, leaves the folder as it is, and hands out no token that is none.
"""

import gzip
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import tiny_agent, tiny_core
from halting_traces import random_traces
from hostile import archive, resealed_traces, sealed, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrm_agent import HRM
from hrm_agent.checkpoints.reference_checkpoint import read_reference, write_reference
from hrm_agent.halting.sb3_file import read_network
from hrm_agent.traces.record import Traces
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.sudoku.task import Sudoku

SUDOKU, ARC = Sudoku(2, 2), Arc(6, 6)

fuzz = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))

# where (as a share of the length), how many bytes go, and what comes instead
EDIT = st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 1, 1, 2, 8, 10**9]), st.binary(max_size=6))
EDITS = st.lists(EDIT, min_size=1, max_size=4)
WORDS = st.sampled_from(["", "../../x", "train", "input", "all", "0", "\x00", "\ud800", "long" * 999])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | st.sampled_from([10**30, 10**4000]) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def damaged(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, gone, instead in edits:
        start = round(where * len(data))
        data = data[:start] + instead + data[start + gone :]
    return data


def replaced(document: Any, choices: list[int], value: Any) -> Any:
    """The document with what lies at the end of a path of choices replaced."""
    if not choices or not isinstance(document, dict | list) or not document:
        return value
    keys = list(document) if isinstance(document, dict) else range(len(document))
    key = keys[choices[0] % len(keys)]
    copy = document.copy()
    copy[key] = replaced(document[key], choices[1:], value)
    return copy


def try_to_load(load: Callable[[], Any], folder: Path) -> None:
    """Fails unless the loader reads puzzles that are puzzles, or refuses in one sentence and writes nothing."""
    before = sorted(folder.rglob("*"))
    found, said = None, "loaded"
    try:
        found = load()
    except ValueError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 700
    if isinstance(found, Puzzles):
        assert len(found)
        assert found.inputs.shape == found.solution.shape
        assert int(max(found.inputs.max(), found.solution.max())) < 12
        assert found.puzzle_id.min() >= 0
        assert found.puzzle_id.max() < len(found.names)
    assert sorted(folder.rglob("*")) == before


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    return SUDOKU.generate(6, np.random.default_rng(0))


@pytest.mark.parametrize("packed", [False, True])
def test_csv_files(tmp_path: Path, puzzles: Puzzles, packed: bool) -> None:
    plain, path = tmp_path / "plain.csv", tmp_path / "puzzles.csv"
    write_csv(SUDOKU, plain, puzzles)
    good = plain.read_bytes()

    @settings(fuzz, max_examples=900)
    @given(EDITS, st.sampled_from(["raise", "skip"]), st.booleans())
    def check(edits: Any, bad_rows: str, rated: bool) -> None:
        data = damaged(good, edits)
        path.write_bytes(damaged(gzip.compress(data, 1), edits[1:]) if packed else data)
        options = {"bad_rows": bad_rows} | ({"min_rating": 0} if rated else {})
        try_to_load(lambda: load_puzzles(SUDOKU, str(path), **options), tmp_path)

    path.touch()
    check()


def test_built_folders(tmp_path: Path, puzzles: Puzzles) -> None:
    folder = tmp_path / "built"
    write_folder(SUDOKU, folder, {"train": puzzles, "test": puzzles[:2]})
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "test")
    good = {path: path.read_bytes() for path in files}

    @settings(fuzz, max_examples=1200)
    @given(st.sampled_from(files), EDITS, st.lists(st.integers(0, 20), max_size=3), VALUES)
    def check(path: Path, edits: Any, choices: Any, value: Any) -> None:
        if path.suffix == ".json" and choices:
            path.write_text(json.dumps(replaced(json.loads(good[path]), choices, value)))
        else:
            path.write_bytes(damaged(good[path], edits))
        try:
            try_to_load(lambda: load_puzzles(SUDOKU, str(folder)), tmp_path)
        finally:
            path.write_bytes(good[path])

    check()


def test_arc_files(tmp_path: Path) -> None:
    pair = {"input": [[0, 1], [2, 3]], "output": [[3, 3]]}
    good = {"a": {"train": [pair, pair], "test": [pair]}, "b": {"train": [pair], "test": [pair, pair]}}
    path = tmp_path / "tasks.json"
    path.touch()

    @settings(fuzz, max_examples=1200)
    @given(st.booleans(), EDITS, st.lists(st.integers(0, 20), max_size=6), VALUES)
    def check(bytewise: bool, edits: Any, choices: Any, value: Any) -> None:
        if bytewise:
            path.write_bytes(damaged(json.dumps(good).encode(), edits))
        else:
            path.write_text(json.dumps(replaced(good, choices, value)))
        for split in ("train", "test"):
            try_to_load(lambda split=split: load_puzzles(ARC, str(path), split=split), tmp_path)  # type: ignore[misc]

    check()


def test_the_cache_of_generated_puzzles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    first = load_puzzles(SUDOKU, num_puzzles=3)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()

    @settings(fuzz, max_examples=100)
    @given(EDITS)
    def check(edits: Any) -> None:
        path.write_bytes(damaged(good, edits))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = load_puzzles(SUDOKU, num_puzzles=3)
        assert np.array_equal(again.inputs, first.inputs)

    check()


def test_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "agent.zip"
    tiny_agent().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    @settings(fuzz, max_examples=600)
    @given(st.sampled_from(sorted(members)), st.booleans(), EDITS, st.lists(st.integers(0, 20), max_size=4), VALUES)
    def check(name: str, inside: bool, edits: Any, choices: Any, value: Any) -> None:
        content = members[name]
        if name.endswith(".json") and choices:
            content = json.dumps(replaced(json.loads(content), choices, value)).encode()
        elif inside:
            content = damaged(content, edits)
        whole = sealed(members | {name: content})
        path.write_bytes(whole if inside else damaged(whole, edits))
        try_to_load(lambda: HRM.load(path, device="cpu"), tmp_path)

    check()


def test_checkpoints_of_the_reference_code(tmp_path: Path) -> None:
    path = tmp_path / "step_10"
    write_reference(tiny_core(mixer="attention"), path)
    damage_members(path, lambda: read_reference(path), 300)


def test_models_of_sb3(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    data = {
        "policy_class": {"__module__": "stable_baselines3.common.policies"},
        "observation_space": {"features": ["q_halt", "kl"]},
        "policy_kwargs": {"activation_fn": "<class 'torch.nn.modules.activation.ReLU'>"},
    }
    weights = {"action_net.weight": torch.zeros(2, 2), "action_net.bias": torch.zeros(2)}
    policy = written(lambda file: torch.save(weights, file))
    path.write_bytes(archive({"data": json.dumps(data).encode(), "policy.pth": policy}))
    read_network(str(path))
    damage_members(path, lambda: read_network(str(path)), 400)


def damage_members(path: Path, load: Callable[[], Any], examples: int) -> None:
    """Tries a zip that is damaged itself, and one whose checksums are right but whose members are damaged."""
    good = path.read_bytes()
    with zipfile.ZipFile(path) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}

    @settings(fuzz, max_examples=examples)
    @given(st.sampled_from(sorted(members)), st.booleans(), EDITS, st.lists(st.integers(0, 20), max_size=4), VALUES)
    def check(name: str, inside: bool, edits: Any, choices: Any, value: Any) -> None:
        content = damaged(members[name], edits)
        if name == "data":
            content = json.dumps(replaced(json.loads(members[name]), choices, value)).encode()
        path.write_bytes(archive(members | {name: content}) if inside else damaged(good, edits))
        try_to_load(load, path.parent)

    check()


def test_recorded_traces(tmp_path: Path) -> None:
    path, header = tmp_path / "t.traces", random_traces(puzzles=3).header
    records = np.zeros(3, header.dtype())
    records["index"] = range(3)
    good = records.tobytes()

    @settings(fuzz, max_examples=600)
    @given(st.booleans(), EDITS, st.lists(st.integers(0, 20), max_size=3), VALUES)
    def check(bytewise: bool, edits: Any, choices: Any, value: Any) -> None:
        line, rest = header.line(), damaged(good, edits) if bytewise else good
        if not bytewise:
            line = json.dumps(replaced(json.loads(line), choices, value)).encode() + b"\n"
        rows = np.frombuffer(rest[: len(rest) // header.dtype().itemsize * header.dtype().itemsize], header.dtype())
        path.write_bytes(resealed_traces(line, rows.copy()))
        try_to_load(lambda: Traces.read(path), tmp_path)

    path.touch()
    check()
