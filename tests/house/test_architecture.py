"""Sizes that keep the house readable; which room may import which is in pyproject.toml, and `lint-imports` reads it."""

import ast
from pathlib import Path

import pytest
from paths import ROOT

PACKAGES = ("hrm_env", "hrm_agent", "train", "benchmarks", "experiments")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MOST_MODULES, MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 8, 300, 60


@pytest.mark.parametrize("package", ["hrm_env", "hrm_agent"])
def test_the_top_floor_of_a_package_holds_few_modules(package: str) -> None:
    modules = [path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, modules


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES_OF_A_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MOST_LINES_OF_A_FUNCTION, node.name
