"""What a run keeps, when it saves, which folders it goes on with, and which it refuses."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import re
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from agents import every_puzzle_once, native_env, same, tiny_agent, weights
from event_logs import read_log
from hostile import sealed
from tensorboard.summary.writer.event_file_writer import _AsyncWriter

from hrm_agent import HRM
from hrm_agent.checkpoints.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.checkpoints.training_state import TrainingCheckpoint
from hrm_agent.sb3.callbacks import SCALARS, EvaluateCallback
from hrm_agent.sb3.event_files import silenced_writer_thread
from hrm_agent.sb3.save_callback import SaveCallback, Stopped
from hrm_env.files import atomic_write, locks, open_regular, remove_temporaries
from hrm_env.files.locks import LOCK, sole_use
from train.__main__ import main
from train.signals import noticed_signals

OPENED = "hrm_agent.checkpoints.checkpoint.open_regular"
TINY = [
    *("--preset=sudoku4x4", "--num-puzzles=20", "--test-puzzles=5", "--max-segments=2", "--evaluate-every=0"),
    *("--updates=6", "--batch-size=4", "--hidden-size=16", "--num-heads=1", "--dtype=float32", "--threads=1"),
    *("--device=cpu", "--checkpoint-seconds=0", "--keep-checkpoints=2"),
]


def fit(folder: Path, *options: str) -> int:
    return main(["fit", *TINY, "--out", str(folder), *options])


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that was stopped right before its result."""
    folder = tmp_path_factory.mktemp("unfinished")
    assert fit(folder) == 0
    (folder / "result.json").unlink()
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    steps = sorted(name for name in files if name.startswith("checkpoints"))
    assert steps == ["checkpoints/step-00000005.zip", "checkpoints/step-00000006.zip"]
    return files


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


REFUSED = {
    "an unfinished run": (
        [],
        "--out: expected a folder without one, found an unfinished run in {folder}; --resume goes on with it, --re",
    ),
    "both": (["--resume", "--restart"], "--resume, --restart: expected one of them, found both"),
    "another option": (
        ["--resume", "--learning-rate=1"],
        "--learning-rate: expected 0.003 as in {folder}/checkpoints/step-00000006.zip, found 1.0",
    ),
    "another puzzle": (["--resume", "--num-puzzles=21"], "--num-puzzles: expected 20 as in .*, found 21"),
    "no checkpoints kept": (
        ["--resume", "--keep-checkpoints=0"],
        "--keep-checkpoints: expected an integer of at least 1, found 0",
    ),
    "no interval": (
        ["--resume", "--checkpoint-seconds=nan"],
        "--checkpoint-seconds: expected a finite number of at least 0, found nan",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_folder_refuses_is_one_sentence(
    tmp_path: Path,
    unfinished: dict[str, bytes],
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    laid_out(tmp_path, unfinished)
    assert fit(tmp_path, *options) == 2
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed
    assert re.search(message.replace("{folder}", str(tmp_path)), printed), printed
    assert (tmp_path / "checkpoints" / "step-00000006.zip").exists()


def test_options_of_the_machine_may_change(tmp_path: Path, unfinished: dict[str, bytes]) -> None:
    laid_out(tmp_path / "elsewhere", unfinished)
    assert fit(tmp_path / "elsewhere", "--resume", "--threads=0", "--checkpoint-seconds=9", "--keep-checkpoints=1") == 0


def test_restarting_begins_anew(tmp_path: Path, unfinished: dict[str, bytes]) -> None:
    laid_out(tmp_path, unfinished)
    (tmp_path / "checkpoints" / "step-00000099.zip").write_bytes(b"of longer ago")
    assert fit(tmp_path, "--restart", "--learning-rate=1e-3") == 0
    assert [file.name for file in CheckpointFolder(tmp_path / "checkpoints").files()] == [
        "step-00000006.zip",
        "step-00000005.zip",
    ]
    assert json.loads((tmp_path / "result.json").read_text())["options"]["learner"]["learning_rate"] == 1e-3


def test_a_finished_run_is_replaced_only_where_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(tmp_path) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert fit(tmp_path, "--updates=1") == 2
    way = "--resume leaves it as it is, --restart begins anew"
    expected = f"error: --out: expected a folder without one, found a finished run in {tmp_path}; {way}\n"
    assert capsys.readouterr().err == expected
    assert fit(tmp_path, "--resume", "--updates=7") == 2
    assert fit(tmp_path, "--resume") == 0
    assert capsys.readouterr().out == f"{tmp_path}/result.json: the run is finished\n"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert fit(tmp_path, "--restart") == 0
    assert {log.name for log in (tmp_path / "tensorboard").iterdir()} == {"HRM_1", "HRM_2"}


@pytest.mark.parametrize("option", ["--no-resume", "--resume"])
def test_an_agent_that_no_run_left_is_not_written_over(
    tmp_path: Path, unfinished: dict[str, bytes], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    laid_out(tmp_path, {"model.zip": unfinished["model.zip"], "README.md": b"a release"})
    assert fit(tmp_path, option) == 2
    assert f"found an agent in {tmp_path}; --restart begins anew" in capsys.readouterr().err
    assert (tmp_path / "model.zip").read_bytes() == unfinished["model.zip"]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(
    tmp_path: Path, unfinished: dict[str, bytes]
) -> None:
    laid_out(tmp_path, {name: content for name, content in unfinished.items() if not name.startswith("checkpoints")})
    assert fit(tmp_path) == 2
    assert fit(tmp_path, "--resume") == 0


def test_resuming_nothing_begins(tmp_path: Path) -> None:
    assert fit(tmp_path, "--resume") == 0
    assert (tmp_path / "result.json").exists()


@pytest.mark.parametrize("damage", ["cut off", "one bit", "emptied"])
def test_a_damaged_checkpoint_is_passed_over_with_one_warning(
    tmp_path: Path, unfinished: dict[str, bytes], damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    laid_out(tmp_path, unfinished)
    newest, older = CheckpointFolder(tmp_path / "checkpoints").files()
    content = newest.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    newest.write_bytes({"cut off": content[:1000], "one bit": bytes(flipped), "emptied": b""}[damage])
    with warnings.catch_warnings(record=True) as told:
        assert fit(tmp_path, "--resume") == 0
    assert [str(newest) in str(warning.message) for warning in told if "an older one" in str(warning.message)] == [True]
    assert f"{older}: going on after 5 optimizer steps" in capsys.readouterr().out
    assert TrainingCheckpoint.read(newest).config["updates"] == 6  # written again


UNREADABLE: dict[str, tuple[list[str], str]] = {
    "all damaged": (
        ["step-00000005.zip", "step-00000006.zip"],
        "step-00000005.zip: expected a complete checkpoint, found a damaged file (File is not a zip file), "
        "like all 2 of the run",
    ),
    "newer": (
        ["step-00000006.zip"],
        "step-00000006.zip: expected checkpoint format 2, found 3 of a newer version",
    ),
    "a bad sector": (
        ["step-00000006.zip"],
        "step-00000006.zip: expected a checkpoint, found a file that cannot be read (Input/output error)",
    ),
    "forbidden": (
        ["step-00000006.zip"],
        "step-00000006.zip: expected a checkpoint, found a file that cannot be read (Permission denied)",
    ),
}


@pytest.mark.parametrize(("kind", "names", "message"), [(kind, *rest) for kind, rest in UNREADABLE.items()])
@pytest.mark.filterwarnings("ignore:.*an older one is looked for")
def test_what_cannot_be_read_is_not_deleted(
    tmp_path: Path,
    unfinished: dict[str, bytes],
    kind: str,
    names: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    laid_out(tmp_path, unfinished)
    paths = [tmp_path / "checkpoints" / name for name in names]
    for path in paths:
        if kind == "all damaged":
            path.write_bytes(b"")
        elif kind == "newer":
            path.write_bytes(sealed({"config.json": json.dumps({"format": FORMAT + 1}).encode()}))
    if kind == "forbidden":
        monkeypatch.setattr(OPENED, lambda path: forbidden(path) if path in paths else open_regular(path))
    elif kind == "a bad sector":
        monkeypatch.setattr(OPENED, BadSector)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert fit(tmp_path, "--resume") == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: {tmp_path}/checkpoints/{message}; nothing is deleted, --restart begins anew"]
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before | {tmp_path / LOCK: b""}


RESULTS = {
    "no JSON": ("{", "result.json: expected a readable JSON file"),
    "a list": ("[1]", r"result.json: expected names with values, found \[1\]"),
    "nothing": ("{}", "result.json: options: expected names with values, found None"),
    "options in text": ('{"options": "x"}', "result.json: options: expected names with values, found 'x'"),
    "a group in text": ('{"options": {"learner": "x"}}', "result.json: learner: expected names with values, found 'x'"),
    "a long number": (
        '{"options": {"updates": 1' + "0" * 4000 + "}}",
        "--updates: expected an integer of .* as in .*result",
    ),
    "depth": ('{"options": ' + "[" * 900 + "]" * 900 + "}", "result.json: options: expected names with values, found"),
}


@pytest.mark.parametrize(("text", "message"), RESULTS.values(), ids=RESULTS)
def test_a_result_that_is_none_is_one_sentence(
    tmp_path: Path, unfinished: dict[str, bytes], text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = laid_out(tmp_path, unfinished | {"result.json": text.encode()})
    assert fit(files, "--resume") == 2
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed
    assert len(printed) < 600
    assert re.search(message, printed), printed
    assert (tmp_path / "result.json").read_text() == text


EXTRAS: dict[str, tuple[dict[str, Any], str]] = {
    "options": ({"options": [1]}, r"options: expected names with values, found \[1\]"),
    "seconds": ({"seconds": "x"}, "seconds: expected a finite number of at least 0, found 'x'"),
    "sweeps": ({"sweeps": 3}, "sweeps: expected names with values, found 3"),
    "no sweeps": ({"sweeps": {}}, "sweeps: history: expected pairs of updates and figures, found None"),
    "history": ({"sweeps": {"calls": 1, "history": [3]}}, r"sweeps: history: expected pairs of .*, found \[3\]"),
    "figures": ({"sweeps": {"calls": 1, "history": [[1, {}]]}}, "sweeps: puzzles: expected an integer of at least 0"),
    "calls": ({"sweeps": {"calls": -1, "history": []}}, "sweeps: calls: expected an integer of at least 0, found -1"),
}


@pytest.mark.parametrize(("changed", "message"), EXTRAS.values(), ids=EXTRAS)
def test_what_a_run_remembers_beside_the_agent_is_checked(
    tmp_path: Path,
    unfinished: dict[str, bytes],
    changed: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = laid_out(tmp_path, unfinished) / "checkpoints" / "step-00000006.zip"
    config, tensors = read_checkpoint(newest)
    config["training"]["extra"] |= changed
    write_checkpoint(newest, config, tensors)
    assert fit(tmp_path, "--resume") == 2
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed
    assert re.search(f"{newest}: {message}", printed), printed


def forbidden(path: Path) -> Any:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


class BadSector(io.FileIO):
    """A file the end of which the disk does not give."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def test_restarting_does_without_what_cannot_be_read(tmp_path: Path, unfinished: dict[str, bytes]) -> None:
    laid_out(tmp_path, {name: b"" if "step-" in name else content for name, content in unfinished.items()})
    assert fit(tmp_path, "--restart") == 0
    assert TrainingCheckpoint.read(tmp_path / "checkpoints" / "step-00000006.zip").config["updates"] == 6


@pytest.mark.parametrize("option", ["--resume", "--restart"])
def test_two_runs_do_not_share_a_folder(
    tmp_path: Path, unfinished: dict[str, bytes], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    laid_out(tmp_path, unfinished)
    with sole_use("--out", tmp_path):
        assert fit(tmp_path, option) == 2
        expected = f"error: --out: expected a folder that no other process writes to, found {tmp_path} in use\n"
        assert capsys.readouterr().err == expected
        assert {name: (tmp_path / name).read_bytes() for name in unfinished} == unfinished
    assert fit(tmp_path, "--resume") == 0


@pytest.mark.parametrize("reason", ["this system has no such locks", "No locks available"])
def test_where_there_are_no_locks_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def none_available(*_: Any) -> None:
        raise OSError(errno.ENOLCK, reason)

    if "system" in reason:
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", none_available)
    with pytest.warns(UserWarning, match=f"not locked .{reason}."), sole_use("--out", tmp_path):
        pass


def test_curves_hold_every_step_once(tmp_path: Path, unfinished: dict[str, bytes]) -> None:
    laid_out(tmp_path, unfinished)
    (tmp_path / "checkpoints" / "step-00000006.zip").unlink()
    assert fit(tmp_path, "--resume") == 0
    log = read_log(tmp_path / "tensorboard" / "HRM_1")
    assert [event.step for event in log.Scalars("train/loss")] == [24]
    assert [event.step for event in log.Scalars("eval/exact")] == [24]


def test_what_killed_writers_left_is_deleted(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "kept") as file:
        file.write(b"kept")
        (left,) = tmp_path.iterdir()
        left.with_suffix(".killed.tmp").write_bytes(b"half")
    (tmp_path / ".mine").write_bytes(b"not ours")
    remove_temporaries(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"kept", ".mine"}


class Clock:
    """A clock that goes on by what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "cost", "saved_at"),
    [
        (10.0, 0.0, [1, 2, 3, 4, 5, 6, 7]),  # each update takes ten seconds
        (25.0, 0.0, [3, 6]),
        (10.0, 0.25, [1, 4, 7]),  # 100 times the cost are 25 seconds
        (0.0, 5.0, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_checkpoints_take_no_more_than_their_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, cost: float, saved_at: list[int]
) -> None:
    clock, saved = Clock(), []
    monkeypatch.setattr("hrm_agent.sb3.save_callback.time.perf_counter", clock)

    class Folder(CheckpointFolder):
        def save(self, model: HRM, extra: Any) -> None:
            saved.append(model._n_updates)
            clock.now += cost

    class Ten(EvaluateCallback):
        def _on_step(self) -> bool:
            clock.now += 10
            return True

    callbacks = [Ten(every_puzzle_once(), 0), SaveCallback(Folder(tmp_path), seconds)]
    tiny_agent(native_env(4)).learn(8 * 4, callbacks)
    assert saved == saved_at


def test_a_signal_saves_between_two_steps_and_stops(tmp_path: Path) -> None:
    model, folder = tiny_agent(native_env(4)), CheckpointFolder(tmp_path)
    saving = SaveCallback(folder, 1e9, stop=lambda: 15 if model._n_updates == 3 else 0)
    with pytest.raises(Stopped, match="stopped after 3 optimizer steps, saved") as stopped:
        model.learn(8 * 4, [saving])
    assert stopped.value.signal == 15
    assert [file.name for file in folder.files()] == ["step-00000003.zip"]


def test_where_a_signal_cannot_save_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    saving = SaveCallback(CheckpointFolder(tmp_path / "file"), 1e9, stop=lambda: 2)
    with pytest.warns(UserWarning, match="not written"), pytest.raises(Stopped, match="not saved; the newest check"):
        tiny_agent(native_env(4)).learn(8 * 4, [saving])


def test_signals_are_noted_once(request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with noticed_signals() as stop:
        assert stop() == 0
        signal.raise_signal(signal.SIGINT)
        assert stop() == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_best_agent_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = EvaluateCallback(every_puzzle_once(), 2, tmp_path / "model", tmp_path / "best")
    figures = iter([(0.5, 3.0), (0.6, 3.0), (0.6, 2.0), (0.6, 2.5), (0.55, 1.0)])  # the third is the best
    found = EvaluateCallback.evaluate
    kept: dict[int, Any] = {}

    def evaluated(self: EvaluateCallback) -> dict[str, Any]:
        exact, segments = next(figures)
        monkeypatch.setattr(
            "hrm_agent.inference.evaluation.Evaluation.summary",
            lambda _: dict.fromkeys(names, 1.0) | {"exact": exact, "segments_mean": segments},
        )
        assert isinstance(self.model, HRM)
        kept[self.model._n_updates] = weights(self.model)
        return found(self)

    names: dict[str, Any] = dict.fromkeys((*SCALARS, "accuracy_by_segment"), 1.0)
    monkeypatch.setattr(EvaluateCallback, "_log", lambda self, summary: None)
    monkeypatch.setattr(EvaluateCallback, "evaluate", evaluated)
    tiny_agent(native_env(4)).learn(10 * 4, [sweeps])
    assert same(weights(HRM.load(tmp_path / "best", device="cpu")), kept[6])
    assert same(weights(HRM.load(tmp_path / "model", device="cpu")), kept[10])


def test_a_log_that_cannot_be_written_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    model = tiny_agent(native_env(4), tensorboard_log=str(tmp_path))
    sweeps = EvaluateCallback(every_puzzle_once(), 4)
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.flush", full)
    with pytest.warns(UserWarning, match="HRM_1: no longer written .No space left on device.") as told:
        model.learn(10 * 4, [sweeps], log_interval=2)
    assert len(told) == 1
    assert model._n_updates == 10
    assert len(sweeps.history) == 2


def test_a_thread_of_tensorboard_that_finds_the_disk_full_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def write(error: Exception) -> None:
        class Full:
            def write(self, data: bytes) -> None:
                raise error

        writer = _AsyncWriter(Full())
        with contextlib.suppress(type(error)):
            writer.write(b"an event")
        writer._worker.join(10)
        with pytest.raises(type(error)):
            writer.flush()  # the error itself is not lost

    before = threading.excepthook
    threading.excepthook = threading.__excepthook__
    try:
        with silenced_writer_thread():
            write(OSError(errno.ENOSPC, "No space left on device"))
            assert capsys.readouterr().err == ""
            write(ZeroDivisionError("a fault"))
            assert "a fault" in capsys.readouterr().err
        assert threading.excepthook is threading.__excepthook__
    finally:
        threading.excepthook = before


def test_a_file_that_a_full_disk_does_not_take_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/model\.zip'"),
        atomic_write(tmp_path / "model.zip"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_the_checkpoint_of_another_program_is_no_run_of_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_agent()
    model.learn(2 * model.n_envs, SaveCallback(CheckpointFolder(tmp_path / "checkpoints"), 0))
    assert fit(tmp_path, "--resume") == 2
    assert "expected a run of this command, found that of another program" in capsys.readouterr().err
