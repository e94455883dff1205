"""What breaks in the public names since a tag: ``python .ci/breaks.py v0.1.0``. Exits with 1 if anything does.

Public are the names that the packages export (docs/stability.md). griffe alone would also count every module that has
no underscore.
"""

from __future__ import annotations

import sys
from pathlib import Path

import griffe

PACKAGES = ("hrm_env", "hrm_agent")
ROOT = Path(__file__).resolve().parents[1]


def with_public_names(package: griffe.Module) -> griffe.Module:
    """Marks the names that a package exports as public, and its modules as not."""
    for name, member in package.members.items():
        own = member.target_path.startswith(f"{package.path}.") if member.is_alias else not member.is_module
        member.public = own and not name.startswith("_")
    return package


def breaks(package: str, tag: str, root: Path = ROOT) -> list[griffe.Breakage]:
    """Returns what a package in a working tree breaks of the public names that it had at a tag."""
    old = griffe.load_git(package, ref=tag, repo=root)
    new = griffe.load(package, search_paths=[root])
    return list(griffe.find_breaking_changes(with_public_names(old), with_public_names(new)))


if __name__ == "__main__":
    found = [each for package in PACKAGES for each in breaks(package, sys.argv[1])]
    for each in found:
        print(each.explain(griffe.ExplanationStyle.ONE_LINE))
    sys.exit(bool(found))
