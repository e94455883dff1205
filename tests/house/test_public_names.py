"""What strangers import: the names of `hrm_env` and `hrm_agent`. Pages and examples use no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module

import pytest
from paths import ROOT
from snippets import blocks, tutorials

PACKAGES = ("hrm_env", "hrm_agent")
BLOCKS = [block for block in blocks() + tutorials() if block.language == "python"]
PROGRAMS = {f"{block.page}:{block.line}": block.text for block in BLOCKS} | {
    str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "examples").rglob("*.py"))
}


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every import as module and name; the name is empty where the module itself is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("program", PROGRAMS)
def test_pages_and_examples_import_public_names_alone(program: str) -> None:
    found = [pair for pair in imports(ast.parse(PROGRAMS[program])) if pair[0].partition(".")[0] in PACKAGES]
    assert {module for module, _ in found} <= set(PACKAGES)
    for module, name in found:
        assert not name or name in import_module(module).__all__, name


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_there_for_programs_and_for_type_checkers(package: str) -> None:
    module = import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {node.name for node in ast.walk(checked) if isinstance(node, ast.alias) and node.name == node.asname}
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {"__version__"}
    assert imported == set(module.__all__) - own
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018
