"""A release goes to the hub and comes back; the hub is a server on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from agents import tiny_agent

hub = pytest.importorskip("huggingface_hub")

from local_hub import hub_cache, serving  # noqa: E402

from hrm_agent import HRM, CheckpointError, load_pretrained  # noqa: E402
from train.__main__ import main  # noqa: E402


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    hub_cache(tmp_path, monkeypatch)
    tiny_agent().save(tmp_path / "run" / "model")
    assert main(["release", "--checkpoint", f"{tmp_path}/run", "--out", f"{tmp_path}/agent"]) == 0
    (tmp_path / "agent" / "notes.txt").write_text("for me alone")
    return tmp_path / "agent"


def push(release: Path, *more: str) -> int:
    return main(["push", "--checkpoint", str(release), "--to", "owner/copy", *more])


def test_a_release_goes_to_the_hub_and_comes_back(
    release: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(monkeypatch, {}) as server:
        assert push(release) == 0
        assert "watch --checkpoint hub:owner/copy" in capsys.readouterr().out
        files = {name: (release / name).read_bytes() for name in ("model.zip", "README.md")}
        assert server.repositories == {"owner/copy": files}
        assert not [content for _, content in server.posts if b"for me alone" in content]
        assert push(release) == 0  # into the repository that is there
        assert main(["evaluate", "--checkpoint", "hub:owner/copy", "--num-puzzles=20", "--device=cpu"]) == 0
        loaded, again = (load_pretrained(f"hub:owner/copy{at}", device="cpu") for at in ("", "@main"))
        assert server.downloads == 1
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    offline = HRM.load("hub:owner/copy", device="cpu")
    weights = HRM.load(release, device="cpu").get_parameters()["policy"]
    for model in (loaded, again, offline):
        for name, tensor in model.get_parameters()["policy"].items():
            np.testing.assert_array_equal(tensor, weights[name])


def test_a_repository_is_private_where_that_is_asked_for(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, {}) as server:
        assert push(release, "--private") == 0
        (made,) = (content for path, content in server.posts if path == "/api/repos/create")
        assert b"private" in made


@pytest.mark.usefixtures("release")
def test_what_the_hub_does_not_have_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {
        "owner/other": "none of this name, or one that asks for a token",
        "owner/empty": "no such file in it",
        "owner/empty@v2": "no such revision",
    }
    with serving(monkeypatch, {"owner/empty": {}}):
        for name, problem in cases.items():
            with pytest.raises(
                CheckpointError, match=f"^hub:{name}: expected a model that holds model.zip, found {problem}$"
            ):
                HRM.load(f"hub:{name}", device="cpu")


@pytest.mark.usefixtures("release")
def test_a_file_of_the_hub_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hostile import payloads

    for name in ("pickle, protocol 5", "torch.save", "bomb"):
        with serving(monkeypatch, {"owner/bad": {"model.zip": payloads(tmp_path / "trap")[name]}}):
            hub_cache(tmp_path / name, monkeypatch)
            with pytest.raises(CheckpointError, match=r"model\.zip: expected"):
                HRM.load("hub:owner/bad", device="cpu")
    assert not (tmp_path / "trap").exists()


def test_a_hub_that_refuses_is_one_sentence(
    release: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(monkeypatch, {}) as server:
        server.read_only = True
        assert push(release) == 2
        assert server.repositories == {}
    printed = capsys.readouterr().err
    assert re.fullmatch(r"error: --to: expected a repository to write to, found [^\n]*403[^\n]*\n", printed), printed


def test_only_a_release_that_can_be_read_is_shared(
    release: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(monkeypatch, {}) as server:
        assert push(release.parent / "run") == 2
        assert capsys.readouterr().err.startswith(
            "error: --checkpoint: expected a release, model.zip and README.md in "
        )
        content = bytearray((release / "model.zip").read_bytes())
        content[100] ^= 1
        (release / "model.zip").write_bytes(content)
        assert push(release) == 2
        assert "model.zip: expected a complete checkpoint" in capsys.readouterr().err
        assert server.posts == []
