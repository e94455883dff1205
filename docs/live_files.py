"""What the live page needs and git does not hold: ONNX Runtime Web from npm, and the agents of the zoo as ONNX graphs.

Both are made once and kept in build/live. From then on no network is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from hrm_agent import HRM, export_onnx, load_pretrained
from hrm_agent.checkpoints.names import zoo_folder, zoo_names
from hrm_agent.inference.views import Views
from hrm_env import PuzzleTask, load_puzzles, make_task

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "live"
RUNTIME = "onnxruntime-web@1.30.0"
RUNTIME_HASH = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, as npm names it."""
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
FAMILIES = ("sudoku", "maze")
"""Puzzle families that the page knows, each in docs/live/FAMILY.js, in the order in which it names their agents."""
MADE_BY = (
    *("docs/live_files.py", "hrm_agent/checkpoints/onnx_file.py", "hrm_agent/inference/views.py"),
    *("hrm_agent/cores/*.py", "hrm_agent/halting/*.py", "hrm_env/tasks/*/*.py"),
)
"""Code on which graphs and descriptions depend."""
VIEWS = 4
EXAMPLES = 12


class MissingError(Exception):
    """What the page needs cannot be made here; the message says what to install."""


def live_files() -> dict[str, Path]:
    """Returns the files that the page needs beside those in docs/live, by their path there; makes those not yet made.

    Raises:
        MissingError: ONNX Runtime Web is not in build/live, and npm cannot be run or does not find it.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / ".lock"):  # of tests that run side by side
        return _runtime() | _agents()


def _runtime() -> dict[str, Path]:
    """Returns ONNX Runtime Web, from npm unless it is there."""
    folder = CACHE / RUNTIME
    found = {f"vendor/{name}": folder / name for name in RUNTIME_FILES}
    if all(path.is_file() for path in found.values()):
        return found
    where = f"the live page: expected {RUNTIME} in {folder}"
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError(f"{where}, found neither it nor npm, which downloads it once; install npm")
    with tempfile.TemporaryDirectory() as temporary:
        ended = subprocess.run(
            [npm, "pack", RUNTIME, "--loglevel=error", "--pack-destination", temporary],
            check=False,
            capture_output=True,
            text=True,
            cwd=temporary,
        )
        packages = list(Path(temporary).glob("*.tgz"))
        if ended.returncode or not packages:
            raise MissingError(f"{where}, found none, and npm pack failed: {ended.stderr.strip() or 'no reason given'}")
        content = packages[0].read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != RUNTIME_HASH:
            raise MissingError(f"{where} with the SHA-512 in {Path(__file__).name}, found another package")
        with tarfile.open(packages[0]) as archive:
            for name in RUNTIME_FILES:
                file = archive.extractfile(f"package/dist/{name}")
                assert file is not None
                _write(folder / name, file.read())
    return found


def _agents() -> dict[str, Path]:
    """Returns the agents of the families that the page knows, and agents.json, which describes them."""
    files, descriptions = {}, []
    code = hashlib.sha256()
    for path in sorted(path for pattern in MADE_BY for path in ROOT.glob(pattern)):
        code.update(path.read_bytes())
    for name in zoo_names():
        key = code.copy()
        key.update((zoo_folder() / name / "model.zip").read_bytes())
        graph = CACHE / f"{name}-{key.hexdigest()[:16]}.onnx"
        description = graph.with_suffix(".json")
        if not description.is_file():
            model = load_pretrained(name, device="cpu")
            if (model.puzzles.task or "").partition(":")[0] not in FAMILIES:
                continue
            for old in CACHE.glob(f"{name}-*"):
                old.unlink()
            export_onnx(model, graph)
            _write(description, json.dumps(described(name, model)).encode())
        files[f"models/{name}.onnx"] = graph
        descriptions.append(json.loads(description.read_text()))
    everything = CACHE / "agents.json"
    descriptions.sort(key=lambda each: (FAMILIES.index(each["family"]), each["cells"]))
    _write(everything, json.dumps(descriptions).encode())
    return {**files, "models/agents.json": everything}


def described(name: str, model: HRM) -> dict[str, Any]:
    """Returns what the page knows of an agent: sizes, drawing, halting policy, views, and test puzzles as text.

    The views are those of the halting policies in Python, and the puzzles are no variants of training puzzles.
    """
    assert model.puzzles.task is not None
    task = make_task(model.puzzles.task)
    spec = task.spec
    return {
        "name": name,
        "family": spec.name.partition(":")[0],
        "height": spec.height,
        "width": spec.width,
        "cells": spec.seq_len,
        "tokens": spec.vocab_size,
        "boxes": task.boxes,
        "symbols": "_" + task.alphabet,
        "blank": task.blank_id,
        "halting": model.halting.name,
        "max_segments": model.max_segments,
        "views": views_of(task),
        "examples": examples_of(task),
    }


def views_of(task: PuzzleTask) -> list[dict[str, list[int]]]:
    """Returns the first views of a puzzle: the old cell at each new one, and the new token for each old one."""
    symmetry = Views(VIEWS, task).symmetry
    assert symmetry is not None
    return [{"cells": cells.tolist(), "tokens": tokens.tolist()} for cells, tokens in zip(*symmetry, strict=True)]


def examples_of(task: PuzzleTask) -> list[str]:
    """Returns test puzzles as text, from the easiest to the hardest of 500."""
    puzzles = load_puzzles(task, "generated", num_puzzles=500, split="test", puzzle_seed=7)
    order = np.argsort(puzzles.rating, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int)]
    return [task.decode(puzzles.inputs[row]) for row in chosen]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
