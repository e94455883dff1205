"""What a release says of itself agrees: version, citation, changelog, and what has been deprecated for long enough."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from packaging.version import Version
from paths import ROOT

import hrm_env

CHANGES = (ROOT / "CHANGELOG.md").read_text()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]  # https://keepachangelog.com/en/1.1.0/
VERSION = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")
DEPRECATION = re.compile(r".+ is deprecated: use .+; removed in (\d+\.\d+\.\d+)")


def sections(text: str, level: str) -> list[tuple[str, str]]:
    """The sections of a text, as heading and text."""
    pieces = re.split(rf"^{level} (.*)$", text, flags=re.MULTILINE)[1:]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def test_version_citation_and_changelog_agree() -> None:
    (newest,) = re.findall(VERSION, sections(CHANGES, "##")[1][0])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest == (hrm_env.__version__, str(citation["date-released"]))
    assert citation["version"] == hrm_env.__version__


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    newest, *released = [name for name, _ in sections(CHANGES, "##")]
    assert newest == "Unreleased"
    assert all(VERSION.fullmatch(name) for name in released)
    versions = [Version(name.split()[0]) for name in released]
    assert versions == sorted(versions, reverse=True)


@pytest.mark.parametrize("version", [name for name, _ in sections(CHANGES, "##")])
def test_a_version_tells_its_changes_by_kind(version: str) -> None:
    kinds = sections(dict(sections(CHANGES, "##"))[version], "###")
    names = [name for name, _ in kinds]
    assert names == [kind for kind in KINDS if kind in names]
    for _, text in kinds:
        assert re.fullmatch(r"\n(- .+\n(  .+\n)*)+\n?", text)


def deprecations(source: str) -> Iterator[str]:
    """The messages of a program's deprecations."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            warns = any(isinstance(word, ast.Name) and word.id == "DeprecationWarning" for word in node.args)
            if warns or (isinstance(node.func, ast.Name) and node.func.id == "deprecated"):
                (message,) = (word.value for word in node.args if isinstance(word, ast.Constant))
                yield str(message)


def overdue(source: str, version: str) -> list[str]:
    """The deprecations of a program that say nothing of their end, or that should be gone in a version."""
    ends = {message: DEPRECATION.fullmatch(message) for message in deprecations(source)}
    return [message for message, end in ends.items() if end is None or Version(end[1]) <= Version(version)]


def test_nothing_is_deprecated_for_ever() -> None:
    sources = [path for package in ("hrm_env", "hrm_agent", "train") for path in (ROOT / package).rglob("*.py")]
    assert not [message for path in sources for message in overdue(path.read_text(), hrm_env.__version__)]


def test_what_is_overdue_is_found() -> None:
    (page,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "stability.md").read_text(), flags=re.DOTALL)
    assert len(set(deprecations(page))) == 2
    assert overdue(page, "0.2.9") == []
    assert overdue(page, "0.3.0") == list(deprecations(page))
    assert overdue('@deprecated("old")\ndef f(): ...', "0.1.0") == ["old"]


@pytest.mark.parametrize("form", ["bug", "idea"])
def test_forms_of_issues_ask(form: str) -> None:
    content: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml").read_text())
    assert {"name", "description", "body"} <= content.keys()
    names = [field["id"] for field in content["body"]]
    assert len(names) == len(set(names))
    assert all(field["attributes"]["label"] for field in content["body"])
