"""A segment of an agent as one ONNX graph, which runs without torch: in ONNX Runtime, also in a browser."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.carry import carry_parts, with_parts
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.halting.signals import SignalInput, measure
from hrm_env.extras import optional
from hrm_env.files import atomic_write
from hrm_env.task import PuzzleTask

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM

SIGNALS = ("q_halt", "q_continue", "entropy", "margin", "kl", "changed", "residual_h", "residual_l", "cosine")
"""Signals that the graph computes; those that are left out read the task's rules, the solution, or 64-bit hashes."""
BEFORE, NEXT = "carry.", "next."
"""What the names of the carry's parts begin with, as inputs and as outputs."""
OPSET = 18
"""Version of the ONNX operations."""


class Segment(nn.Module):
    """One segment with all that a halting policy or a picture reads of it, as a function of tensors alone.

    Args:
        core: The network.
        task: The puzzle family, if it is known.
    """

    def __init__(self, core: ReasoningCore, task: PuzzleTask | None) -> None:
        super().__init__()
        self.core, self._task, self._kind = core, task, core.initial_carry(1)

    def forward(
        self, inputs: Tensor, puzzle_id: Tensor, start: Tensor, last_logits: Tensor, carry: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Computes a segment.

        Args:
            inputs: The puzzles, ``(B, L)`` int64.
            puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
            start: Rows that begin an episode, ``(B,)`` bool; their carry and ``last_logits`` do not count.
            last_logits: ``logits`` of the segment before, ``(B, L, V)``.
            carry: Parts of the carry by name.

        Returns:
            Parts of the next carry, named ``next.NAME``; ``logits`` and ``probabilities (B, L, V)``; and `SIGNALS`.
        """
        before = self.core.reset_carry(with_parts(self._kind, carry), start)
        output = self.core(before, inputs, puzzle_id)
        seen = SignalInput(output, before, last_logits, start, inputs, None, self._task, self.core.probabilities)
        return {
            **{f"{NEXT}{name}": part for name, part in carry_parts(output.carry).items()},
            "logits": output.logits,
            "probabilities": seen.log_probs.exp(),
            **measure(seen, SIGNALS),
        }

    def first_inputs(self, inputs: Tensor, puzzle_id: Tensor) -> dict[str, Any]:
        """Returns the arguments of the first segment of puzzles ``(B, L)`` with ids ``(B,)``."""
        rows, shape = len(inputs), self.core.shape
        return {
            "inputs": inputs,
            "puzzle_id": puzzle_id,
            "start": torch.ones(rows, dtype=torch.bool),
            "last_logits": torch.zeros(rows, shape.seq_len, shape.vocab_size),
            "carry": {name: part.clone() for name, part in carry_parts(self.core.initial_carry(rows)).items()},
        }


def in_precision(core: ReasoningCore, dtype: torch.dtype) -> ReasoningCore:
    """Returns a copy of a core on the CPU that computes in float32 or float64."""
    made = copy.deepcopy(core).to("cpu", dtype).eval()
    if isinstance(made, BlockCore):
        made.activation_dtype = dtype
    return made


def in_float32(core: ReasoningCore) -> ReasoningCore:
    """Returns a copy of a core on the CPU that computes in float32."""
    return in_precision(core, torch.float32)


def export_onnx(model: HRM, path: str | Path) -> None:
    """Writes a segment of an agent as one ONNX graph: the weights that act, which are the average if there is one.

    The graph computes in float32, for any number of rows. Its inputs and outputs are those of `Segment.forward`, with
    the carry's parts as inputs named ``carry.NAME``. At the first segment ``start`` is true, which puts the carry into
    its start state, whatever it holds. The graph's metadata ``agent`` is JSON: task, core, cells, tokens, halting
    policy and budget.

    Args:
        model: The agent.
        path: The file.

    Raises:
        DependencyNotInstalled: The extra ``onnx`` is not installed.
        ValueError: The core computes what has no ONNX operation, or for one number of rows alone.
    """
    for module in ("onnx", "onnxscript"):
        optional(module, "onnx")
    segment = exported_segment(model)
    graph = segment_graph(segment)
    graph.metadata_props.add(key="agent", value=json.dumps(described(model)))
    with atomic_write(Path(path)) as file:
        file.write(graph.SerializeToString())


def exported_segment(model: HRM) -> Segment:
    """Returns what `export_onnx` writes, in torch."""
    return Segment(in_float32(model.policy.acting_core), model.policy.task).eval()


def described(model: HRM) -> dict[str, Any]:
    """Returns the metadata of an agent's graph."""
    core = model.policy.acting_core
    return {
        "task": model.puzzles.task,
        "core": core.config.name,
        "cells": core.shape.seq_len,
        "tokens": core.shape.vocab_size,
        "halting": model.halting.name,
        "max_segments": model.max_segments,
    }


def segment_graph(segment: Segment) -> Any:
    """Returns the graph of a segment, an ``onnx.ModelProto`` without notes on the code that it comes from."""
    arguments = segment.first_inputs(torch.ones(2, segment.core.shape.seq_len).long(), torch.zeros(2).long())
    rows = {0: torch.export.Dim("rows", min=1)}
    carry, name = arguments.pop("carry"), segment.core.config.name
    with torch.no_grad():
        outputs = list(segment(**arguments, carry=carry))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that are not needed
    try:
        with warnings.catch_warnings(action="ignore"):
            program = torch.onnx.export(
                segment,
                kwargs={**arguments, "carry": carry},
                dynamo=True,
                dynamic_shapes={**dict.fromkeys(arguments, rows), "carry": dict.fromkeys(carry, rows)},
                input_names=[*arguments, *(f"{BEFORE}{part}" for part in carry)],
                output_names=outputs,
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"core {name!r}: expected operations of ONNX, found {reason}") from error
    assert program is not None
    graph = program.model_proto
    if not all(each.type.tensor_type.shape.dim[0].dim_param for each in graph.graph.input):
        what = "expected code for any number of rows, found len(tensor) or the like; write tensor.shape[0]"
        raise ValueError(f"core {name!r}: {what}")
    noted = (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output)
    for part in (graph, graph.graph, *noted):
        part.ClearField("metadata_props")
    return graph
