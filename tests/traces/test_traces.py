"""Recorded traces: what they hold, how a recording goes on, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import every_puzzle_once, tiny_core
from hostile import resealed_traces
from paths import ROOT
from processes import FORKS

from hrm_agent.cores import PuzzleShape, ReasoningCore
from hrm_agent.halting.signals import SIGNALS, SignalInput
from hrm_agent.inference.views import Views
from hrm_agent.traces.file import pack, unpack
from hrm_agent.traces.record import Traces, default_signals, fingerprint, record
from hrm_env.envs.grading import exact_match
from hrm_env.envs.vector import PuzzleVectorEnv

DOCUMENT = ROOT / "docs" / "traces.md"
PUZZLES, BUDGET, SLOTS = 21, 4, 4
COPY_SHAPE = PuzzleShape(seq_len=4, vocab_size=5, num_puzzle_ids=1)
ALL = tuple(SIGNALS)


def core(seed: int = 0) -> ReasoningCore:
    """A network whose answers and Q values differ from puzzle to puzzle."""
    made = tiny_core(seed=seed, shape=COPY_SHAPE)
    with torch.no_grad():
        made.get_parameter("q_weight").normal_(generator=torch.Generator().manual_seed(seed))
    return made


def puzzles(num_envs: int = SLOTS, **options: Any) -> PuzzleVectorEnv:
    return every_puzzle_once(num_envs, **{"num_puzzles": PUZZLES, "max_segments": BUDGET, **options})


WHOLE: Any = {"views": 3, "noise": 0.5, "segment_noise": 0.25, "signals": ALL}


def recorded(path: Path, **options: Any) -> Traces:
    return record(core(), puzzles(), path, **{**WHOLE, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that was not interrupted."""
    path = tmp_path_factory.mktemp("recorded") / "whole.traces"
    recorded(path)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.traces"
    path.write_bytes(whole.read_bytes())
    return path


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("length", [1, 5, 8, 81])
def test_packed_tokens(bits: int, length: int) -> None:
    tokens = np.random.default_rng(bits).integers(0, 2**bits, (3, 2, length), dtype=np.uint8)
    packed = pack(tokens, bits)
    assert packed.shape == (3, 2, -(-length * bits // 8))
    np.testing.assert_array_equal(unpack(packed, bits, length), tokens)


def test_packed_by_hand() -> None:
    assert pack(np.array([1, 4, 3], np.uint8), 3).tolist() == [0b11_100_001, 0b0]


def test_traces_hold_what_the_network_thinks(whole: Path) -> None:
    traces, env, network = Traces.read(whole), puzzles(), core()
    batch = env.stored(slice(None))
    views = Views(3, env.rules.task, 0.5, 0.25)
    inputs, solution, puzzle_id = views.show(batch.inputs), views.show(batch.solution), torch.zeros(3 * PUZZLES).long()
    start = torch.ones(3 * PUZZLES, dtype=torch.bool)
    carry, last = views.begin(network.initial_carry(3 * PUZZLES), inputs, start), None
    for segment in range(BUDGET):
        noisy = views.disturb(carry, inputs, torch.full_like(puzzle_id, segment + 1))
        with torch.no_grad():
            output = network(noisy, inputs, puzzle_id)
        seen = SignalInput(output, carry, last, start & (segment == 0), inputs, solution, env.rules.task)
        np.testing.assert_array_equal(traces.answers[:, :, segment], views.restore(seen.answer).numpy())
        for name, compute in SIGNALS.items():
            expected = compute(seen).view(PUZZLES, 3, *([-1] if name == "state" else [])).numpy()
            np.testing.assert_allclose(
                traces.signals[name][:, :, segment], expected, rtol=1e-4, atol=1e-5, err_msg=name
            )
        for view in range(3):
            right = exact_match(torch.from_numpy(traces.answers[:, view, segment]), batch.solution)
            np.testing.assert_array_equal(traces.correct[:, view, segment], right.numpy())
        carry, last = output.carry, output.logits
    np.testing.assert_array_equal(traces.inputs, batch.inputs.numpy())
    np.testing.assert_array_equal(traces.index, np.arange(PUZZLES))
    assert len(np.unique(traces.answers, axis=0)) > 1
    assert not (traces.answers[:, 0] == traces.answers[:, 1]).all(), "noise changes nothing: the test shows little"


def test_ratings_and_header(tmp_path: Path) -> None:
    env = puzzles(7)
    env.rules.puzzles.rating[:] = np.arange(PUZZLES) * 3 - 5
    traces = record(core(), env, tmp_path / "file", source="ünusual\nwords", signals=["entropy"])
    np.testing.assert_array_equal(traces.rating, np.arange(PUZZLES) * 3 - 5)
    header = traces.header
    assert (header.task, header.seq_len, header.vocab_size, header.max_segments) == ("copy:4x4", 4, 5, BUDGET)
    assert (header.views, header.noise, header.puzzles, header.source) == (1, 0.0, PUZZLES, "ünusual\nwords")
    assert header.signals == {"q_halt": 1, "entropy": 1, "correct": 1}
    assert header.agent == fingerprint(core())
    assert traces.answers.shape == (PUZZLES, 1, BUDGET, 4)
    assert traces.signals["entropy"].dtype == np.float32


def test_default_signals_are_all_but_the_state(tmp_path: Path) -> None:
    traces = record(core(), puzzles(), tmp_path / "file")
    assert set(traces.signals) == set(default_signals()) == set(SIGNALS) - {"state"}


def test_chosen_rows(whole: Path) -> None:
    traces = Traces.read(whole)
    mask = traces.index % 3 == 1
    for rows in (slice(2, 9), mask, np.array([5, 0, 5])):
        part = traces[rows]
        np.testing.assert_array_equal(part.index, np.arange(PUZZLES)[rows])
        np.testing.assert_array_equal(part.answers, traces.answers[rows])
        np.testing.assert_array_equal(part.correct, traces.correct[rows])
        np.testing.assert_array_equal(part.signals["state"], traces.signals["state"][rows])
        assert len(part) == len(part.rating) == len(part.inputs) == len(part.index)
        assert part.header == traces.header


def test_the_document_reads_with_numpy_alone(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (snippet,) = (block for block in blocks if "np.unpackbits" in block)
    names: dict[str, Any] = {"json": json, "np": np}
    recorded_here = snippet.index("with open")
    exec(snippet[recorded_here:].replace("untrained.traces", str(whole)), names)
    traces = Traces.read(whole)
    np.testing.assert_array_equal(names["answers"], traces.answers)
    for name, signals in traces.signals.items():
        np.testing.assert_array_equal(names["records"][name], signals)
    assert str(traces.answers.shape) in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.1, 0.33, 0.5, 0.77, 0.9, 0.999])
def test_a_torn_recording_goes_on(whole: Path, copy: Path, share: float) -> None:
    expected = whole.read_bytes()
    header = expected.index(b"\n") + 1
    torn = header + int((len(expected) - header) * share)
    os.truncate(copy, torn)
    partial = Traces.read(copy)
    assert len(partial) == int((torn - header) / ((len(expected) - header) / PUZZLES))
    np.testing.assert_array_equal(partial.answers, Traces.read(whole).answers[: len(partial)])
    recorded(copy)
    assert copy.read_bytes() == expected


def test_a_file_of_format_1_is_named(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b"hrm-gym traces 2", b"hrm-gym traces 1", 1))
    older = "found the format 'hrm-gym traces 1' of an older version, which has to be recorded anew"
    with pytest.raises(ValueError, match=f"^{copy}: expected recorded traces, whose first line names .*{older}$"):
        Traces.read(copy)


def test_only_recordings_with_noise_name_all_of_it(copy: Path, tmp_path: Path) -> None:
    """Others are what they were before there was noise in later segments, to the last bit of the header."""
    silent = recorded(tmp_path / "silent", views=1, noise=0, segment_noise=0)
    line = json.loads((tmp_path / "silent").read_bytes().partition(b"\n")[0])
    assert line["noise"] == 0
    assert not {"segment_noise", "random_start"} & set(line)
    assert (silent.header.segment_noise, silent.header.random_start) == (0, 0)
    for change in (
        lambda header: header.pop("random_start"),
        lambda header: header.update(noise=0.0, segment_noise=0.0),
    ):
        (tmp_path / "other").write_bytes(rewritten(change)(copy.read_bytes()))
        with pytest.raises(ValueError, match=r"found the entries .* instead of"):
            Traces.read(tmp_path / "other")


def test_groups_are_recorded(tmp_path: Path) -> None:
    env = puzzles(7)
    env.rules.puzzles.group[:] = np.arange(PUZZLES) // 4
    traces = record(core(), env, tmp_path / "file")
    np.testing.assert_array_equal(traces.group, np.arange(PUZZLES) // 4)
    np.testing.assert_array_equal(Traces.read(tmp_path / "file")[5:9].group, [1, 1, 1, 2])
    with pytest.raises(ValueError, match="expected a recording of checksum="):
        record(core(), puzzles(), tmp_path / "file")


def test_a_killed_recording_goes_on(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "killed.traces"
    kills = 0
    while not path.exists() or len(Traces.read(path)) < PUZZLES:
        before = path.stat().st_size if path.exists() else 0
        process = FORKS.Process(target=recorded, args=(path,))
        process.start()
        assert process.pid
        while process.is_alive() and (not path.exists() or path.stat().st_size <= before):
            time.sleep(0.001)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        assert kills < 50
    assert kills > 2
    assert path.read_bytes() == whole.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["killed.traces"]


def test_a_finished_recording_is_not_made_again(copy: Path) -> None:
    network, before = core(), copy.stat().st_mtime_ns
    network.register_forward_pre_hook(lambda *_: pytest.fail("the network ran"))
    traces = record(network, puzzles(2), copy, source="other words", **WHOLE)
    assert len(traces) == PUZZLES
    assert copy.stat().st_mtime_ns == before


@pytest.mark.parametrize("number", [0, 3, PUZZLES - 1])
def test_damage_is_found(copy: Path, number: int) -> None:
    content = bytearray(copy.read_bytes())
    start = content.index(b"\n") + 1
    size = (len(content) - start) // PUZZLES
    for place in np.random.default_rng(number).integers(0, size, 6):
        damaged = bytearray(content)
        damaged[start + number * size + place] ^= 1 << int(place) % 8
        copy.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{copy}: expected puzzle {number} .* found a damaged record"):
            Traces.read(copy)
        with pytest.raises(ValueError, match="damaged record"):
            recorded(copy)
        assert copy.read_bytes() == damaged


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def rewrite(content: bytes) -> bytes:
        line, _, rest = content.partition(b"\n")
        header = json.loads(line)
        change(header)
        return json.dumps(header).encode() + b"\n" + rest

    return rewrite


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"", "first line names the format"),
        (lambda content: content[:40], "first line names the format"),
        (lambda content: content[1:], "first line names the format"),
        (lambda _: b"\x00" * 100_000, "first line names the format"),
        (lambda _: b"[" * 60_000 + b"\n", "first line names the format"),
        (lambda _: b"[]\n", "first line names the format"),
        (lambda _: b"9" * 5000 + b"\n", "first line names the format"),
        (lambda content: content.replace(b"traces 2", b"traces 3", 1), "found the format 'hrm-gym traces 3'"),
        (rewritten(lambda header: header.pop("probabilities")), "the entries .* instead of"),
        (rewritten(lambda header: header.update(format=["x"])), "first line names the format"),
        (
            rewritten(lambda header: header.update(probabilities="sparsemax")),
            "probabilities='sparsemax' instead of one of",
        ),
        (rewritten(lambda header: header.update(probabilities=[])), r"probabilities=\[\] instead of one of"),
        (rewritten(lambda header: header.update(source="\ud800")), r"source='\\ud800' instead of a text"),
        (rewritten(lambda header: header.update(views=10**4000)), "views=an integer of 13,288 bits instead of"),
        (lambda content: content + b"\x00", r"at most 21 records of \d+ bytes after the header"),
        (rewritten(lambda header: header.update(source="x" * 70_000)), "first line names the format"),
        (rewritten(lambda header: header.pop("views")), "the entries .* instead of"),
        (rewritten(lambda header: header.update(extra=1)), "the entries .* instead of"),
        (rewritten(lambda header: header.update(seq_len=10**40)), "seq_len=10+.* instead of an integer from 1"),
        (rewritten(lambda header: header.update(puzzles=0)), "puzzles=0 instead of an integer"),
        (rewritten(lambda header: header.update(views=True)), "views=True instead of an integer"),
        (rewritten(lambda header: header.update(max_segments="4")), "max_segments='4' instead of an integer"),
        (rewritten(lambda header: header.update(vocab_size=300)), "vocab_size=300 instead of"),
        (rewritten(lambda header: header.update(noise=float("nan"))), "noise=nan instead of a number"),
        (rewritten(lambda header: header.update(segment_noise=-1.0)), "segment_noise=-1.0 instead of a number"),
        (rewritten(lambda header: header.update(random_start=True)), "random_start=True instead of a number"),
        (rewritten(lambda header: header.update(task=None)), "task=None instead of a text"),
        (rewritten(lambda header: header.update(signals=["q_halt"])), "signals=.* instead of names and widths"),
        (rewritten(lambda header: header.update(signals={})), "signals={} instead of names"),
        (rewritten(lambda header: header["signals"].update({"a b": 1})), "a signal 'a b' of width 1"),
        (rewritten(lambda header: header["signals"].update(entropy=-1)), "a signal 'entropy' of width -1"),
        (rewritten(lambda header: header.update(seq_len=60_000, views=4000, max_segments=4000)), "larger than 1 GiB"),
        (rewritten(lambda header: header.update(source="other")), "found a damaged record or header"),
        (rewritten(lambda header: header["signals"].pop("entropy")), "at most 21 records"),
        (rewritten(lambda header: header.update(max_segments=BUDGET + 1)), "found a damaged record or header"),
    ],
)
def test_hostile_files_are_one_sentence(copy: Path, change: Callable[[bytes], bytes], message: str) -> None:
    copy.write_bytes(change(copy.read_bytes()))
    with pytest.raises(ValueError, match=f"^{copy}: expected .*{message}") as caught:
        Traces.read(copy)
    assert len(str(caught.value)) < 400 + len(str(copy))


def test_records_in_another_order(copy: Path) -> None:
    line, _, rest = copy.read_bytes().partition(b"\n")
    size = len(rest) // PUZZLES
    copy.write_bytes(line + b"\n" + rest[:size] + rest[2 * size :])
    with pytest.raises(ValueError, match=f"^{copy}: expected puzzle 1 in its place, found puzzle 2"):
        Traces.read(copy)


@pytest.mark.parametrize("name", ["inputs", "answers"])
def test_tokens_that_the_puzzles_do_not_have(copy: Path, name: str) -> None:
    line, _, rest = copy.read_bytes().partition(b"\n")
    records = np.frombuffer(rest, Traces.read(copy).header.dtype()).copy()
    records[name][3] = 255
    copy.write_bytes(resealed_traces(line + b"\n", records))
    with pytest.raises(ValueError, match=f"^{copy}: expected tokens 0 to 4, found 7$"):
        Traces.read(copy)


def test_a_source_that_cannot_be_read_again_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"source='\\udcff' instead of a text"):
        recorded(tmp_path / "t.traces", source="\udcff")
    assert not list(tmp_path.iterdir())


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ValueError, match=f"^{path}: expected a file of recorded traces, found none"):
            Traces.read(path)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"views": 2}, "views=2"),
        ({"noise": 0.25}, "noise=0.25"),
        ({"segment_noise": 0.5, "random_start": 1}, "segment_noise=0.5, random_start=1.0"),
        ({"signals": ["entropy"]}, "signals={'correct': 1, 'entropy': 1, 'q_halt': 1}"),
        ({"agent": "another"}, "agent='another'"),
    ],
)
def test_another_recording_is_refused(copy: Path, options: dict[str, Any], name: str) -> None:
    before = copy.read_bytes()
    with pytest.raises(ValueError, match=re.escape(f"{copy}: expected a recording of {name}, found one of")):
        recorded(copy, **options)
    assert copy.read_bytes() == before


def test_other_puzzles_weights_and_budgets_are_refused(copy: Path) -> None:
    for env, what in ((puzzles(num_puzzles=20), "puzzles=20, checksum"), (puzzles(max_segments=5), "max_segments=5")):
        with pytest.raises(ValueError, match=f"expected a recording of {what}"):
            record(core(), env, copy, **WHOLE)
    other = puzzles()
    other.rules.puzzles.rating[3] += 1
    with pytest.raises(ValueError, match="expected a recording of checksum="):
        record(core(), other, copy, **WHOLE)
    with pytest.raises(ValueError, match="expected a recording of agent="):
        record(core(1), puzzles(), copy, **WHOLE)


def test_bad_options(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"order=\"once\".*found order='random'"):
        record(core(), puzzles(order="random"), tmp_path / "file")
    with pytest.raises(
        ValueError, match=r"signals: expected one of q_halt, .* found 'entropie' .did you mean 'entropy'"
    ):
        record(core(), puzzles(), tmp_path / "file", signals=["entropie"])
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="below: expected a file that can be written, found"):
        record(core(), puzzles(), tmp_path / "file" / "below")


def test_fingerprint() -> None:
    first = fingerprint(tiny_core())
    assert first == fingerprint(tiny_core())
    assert re.fullmatch("[0-9a-f]{64}", first)
    changed = tiny_core()
    with torch.no_grad():
        changed.get_parameter("q_bias")[1] += 1e-6
    others = {fingerprint(other) for other in (changed, tiny_core(seed=1), tiny_core(h_cycles=3))}
    assert len(others | {first}) == 4
