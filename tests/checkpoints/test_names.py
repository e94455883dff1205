"""What names a checkpoint has: files, runs, the zoo and the hub; and that every command knows them."""

from __future__ import annotations

import shutil
import sys
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
from agents import tiny_agent
from gymnasium.error import DependencyNotInstalled
from hostile import payloads

from hrm_agent import HRM, CheckpointError, HRMPolicy, load_pretrained
from hrm_agent.checkpoints import names
from train.__main__ import COMMANDS, main


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of one agent, ``copy``, and of a folder that holds none."""
    tiny_agent().save(tmp_path / "zoo" / "copy" / "model")
    (tmp_path / "zoo" / "empty").mkdir()
    monkeypatch.setattr(names, "zoo_folder", lambda: tmp_path / "zoo")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "zoo"


def test_an_agent_of_the_zoo_is_loaded_by_name(zoo: Path) -> None:
    assert names.zoo_names() == ["copy"]
    assert names.existing_checkpoint("zoo:copy") == zoo / "copy" / "model.zip"
    for agent in (
        load_pretrained("copy", device="cpu", halting="fixed:2"),
        load_pretrained("zoo:copy", device="cpu", halting="fixed:2"),
        HRM.load("zoo:copy", device="cpu", halting="fixed:2"),
        HRMPolicy.load("zoo:copy", device="cpu", halting="fixed:2"),
    ):
        assert agent.halting.name == "fixed:2"


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("zoo:copi", r"expected one of zoo:copy, found 'zoo:copi' \(did you mean 'zoo:copy'\?\)"),
        ("zoo:", "expected one of zoo:copy, found 'zoo:'"),
        ("zoo:empty", "expected one of zoo:copy, found 'zoo:empty'"),
        ("zoo:../zoo/copy", "expected one of zoo:copy, found 'zoo:../zoo/copy'"),
    ],
)
def test_a_wrong_name_is_one_sentence(name: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckpointError, match=f"^checkpoint: {problem}"):
        load_pretrained(name)
    assert main(["evaluate", "--checkpoint", name]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: --checkpoint: expected one of zoo:copy, found ")
    assert printed.count("\n") == 1


def test_an_agent_of_the_zoo_is_not_trusted(zoo: Path) -> None:
    hostile = payloads(zoo / "trap")
    for name in ("pickle, protocol 5", "torch.save", "bomb"):
        (zoo / "copy" / "model.zip").write_bytes(hostile[name])
        with pytest.raises(CheckpointError, match=r"model\.zip: expected"):
            load_pretrained("copy", device="cpu")
    assert not (zoo / "trap").exists()


def test_nothing_is_written_into_the_zoo(zoo: Path) -> None:
    assert names.folder_beside("zoo:copy") == Path("runs/copy")
    assert names.folder_beside("hub:owner/name@v1") == Path("runs/name")
    assert names.folder_beside("runs/some/model.zip") == Path("runs/some")
    before = sorted(zoo.rglob("*"))
    common = ["--checkpoint", "zoo:copy", "--num-puzzles=20", "--threads=1", "--device=cpu"]
    assert main(["learn-halting", *common, "--steps=1", "--algorithm=dqn"]) == 0
    assert Path("runs/copy/halting-dqn.zip").is_file()
    study = ["--out=out", "--policies=q-compare,fixed:2", "--resamples=10", "--no-figures", "--no-tensorboard"]
    assert main(["study", *common, *study]) == 0
    assert [file.name for file in Path("out/traces").iterdir()] == ["0-copy.traces"]
    assert sorted(zoo.rglob("*")) == before


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize("command", ["fit", "evaluate", "watch", "release", "push", "export", "study", "learn-halting"])
def test_every_command_with_a_checkpoint_knows_the_zoo(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = {
        "release": ["--out", "new"],
        "push": ["--to", "owner/name"],
        "export": ["--to", "onnx", "--out", "new"],
    }.get(command, [])
    if command == "push":
        pytest.importorskip("huggingface_hub")
    assert main([command, "--checkpoint", "zoo:copi", *more]) == 2
    assert "did you mean 'zoo:copy'?" in capsys.readouterr().err


def test_no_other_command_takes_a_checkpoint() -> None:
    modules = {name: import_module(f"train.{name.replace('-', '_')}") for name in COMMANDS}
    taking = {
        name
        for name, module in modules.items()
        for kind in vars(module).values()
        if is_dataclass(kind) and kind.__module__ == module.__name__
        if any(field.name == "checkpoint" for field in fields(kind))
    }
    assert taking == {"evaluate", "watch", "release", "push", "export", "study", "learn-halting", "figures"}


def test_the_installed_package_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "hrm_agent" / "checkpoints" / "names.py"
    monkeypatch.setattr(names, "__file__", str(module))
    assert names.zoo_folder() == tmp_path / "checkpoints"
    (tmp_path / "hrm_zoo").mkdir()
    assert names.zoo_folder() == tmp_path / "hrm_zoo"


def test_without_the_extra_one_reads_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'hrm-gym\[hub\]'"):
        HRM.load("hub:owner/name")


def test_a_file_of_another_name_is_still_a_file(zoo: Path) -> None:
    shutil.copy(zoo / "copy" / "model.zip", zoo.parent / "zookeeper.zip")
    assert names.existing_checkpoint("zookeeper") == Path("zookeeper.zip")
