"""The device that is asked for is the one that is used, or there is an error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from agents import tiny_agent, trained_agent

from hrm_agent import HRM
from hrm_agent.sb3.policy import HRMPolicy
from hrm_env.devices import check_device


@pytest.fixture
def _no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def _two_cuda_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("_no_cuda")
@pytest.mark.parametrize("device", ["auto", "cpu", torch.device("cpu")])
def test_without_cuda(device: Any) -> None:
    assert check_device(device) == torch.device("cpu")


@pytest.mark.usefixtures("_two_cuda_devices")
@pytest.mark.parametrize(("device", "expected"), [("auto", "cuda"), ("cuda", "cuda"), ("cuda:1", "cuda:1")])
def test_with_cuda(device: str, expected: str) -> None:
    assert check_device(device) == torch.device(expected)
    with pytest.raises(ValueError, match=r"^device: expected one of 2 CUDA devices, found 'cuda:2'$"):
        check_device("cuda:2")


@pytest.mark.usefixtures("_no_cuda")
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "expected auto or cpu, because torch sees no CUDA device, found 'cuda'"),
        (torch.device("cuda", 3), "expected auto or cpu, because torch sees no CUDA device, found 'cuda:3'"),
        ("gpu", "expected auto, cpu, cuda or cuda:N, found 'gpu'"),
        ("", "expected auto, cpu, cuda or cuda:N, found ''"),
        ("mps", "expected auto, cpu, cuda or cuda:N, found 'mps'"),
        (None, "expected auto, cpu, cuda or cuda:N, found None"),
        (0, "expected auto, cpu, cuda or cuda:N, found 0"),
    ],
)
def test_what_is_no_device_here(device: Any, message: str, tmp_path: Any) -> None:
    trained_agent().save(tmp_path / "agent")
    for given in (
        lambda: check_device(device),
        lambda: tiny_agent(device=device),
        lambda: HRM.load(tmp_path / "agent", device=device),
        lambda: HRMPolicy.load(tmp_path / "agent", device=device),
    ):
        with pytest.raises(ValueError, match=f"^device: {message}$"):
            given()
    with pytest.raises(ValueError, match=f"^--device: {message}$"):
        check_device(device, "--device")
