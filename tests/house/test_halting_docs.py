"""docs/halting.md and docs/own-rule.md: the tables name every policy and signal, and the code runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from agents import every_puzzle_once, policy_samples, wavering_agent
from paths import ROOT

from hrm_agent.halting import POLICIES, make
from hrm_agent.halting.signals import SIGNALS

PAGE = (ROOT / "docs" / "halting.md").read_text()
ROWS = {row[0]: row for row in re.findall(r"^\| `([a-z0-9-]+)([^`]*)` \|.* \| ([^|]*) \|$", PAGE, flags=re.MULTILINE)}
OWN = (ROOT / "docs" / "own-rule.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE + OWN, flags=re.DOTALL)


def test_every_policy_is_in_a_table() -> None:
    assert set(ROWS) == set(POLICIES)


@pytest.mark.parametrize("text", [text for text in policy_samples() if "(" not in text])
def test_the_tables_say_what_a_policy_needs(text: str) -> None:
    name = text.partition(":")[0]
    assert tuple(re.findall(r"`(\w+)`", ROWS[name][2])) == make(text).needs


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1].startswith("[")])
def test_the_tables_say_the_default(name: str) -> None:
    written = ROWS[name][1].strip("[]")
    assert make(name + written).describe() == make(name).describe()


def test_every_signal_is_in_the_table() -> None:
    table = PAGE.partition("## Signals")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`(?=.*\|.*\|)", table)) == set(SIGNALS)


def test_the_snippets_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for registry, name in ((POLICIES, "hurried"), (POLICIES, "doubt"), (SIGNALS, "doubtful")):
        monkeypatch.setitem(registry, name, None)  # to be gone when the test is over
    show, *own = SNIPPETS
    names: dict[str, Any] = {}
    exec(show, names)
    assert "σ(q_halt) ≥ 0.9" in capsys.readouterr().out
    assert len(own) == 2
    for snippet in own:
        assert len(list(filter(str.strip, snippet.splitlines()))) <= 15  # of code
        exec(snippet, names)
    model = wavering_agent()
    for text in ("hurried:3", "all(hurried,patience)", "doubt:0.3", "any(doubt,hurried:4)"):
        assert make(text).describe()
        assert len(set(model.evaluate(every_puzzle_once(60), text).segments)) > 1
