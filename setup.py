"""Finds the packages, which pyproject.toml cannot express.

``train/`` of a clone is installed as ``hrm_train``, and ``checkpoints/``, which holds no code, as ``hrm_zoo``.
"""

from pathlib import Path

from setuptools import find_packages, setup

ZOO = sorted(f"hrm_zoo.{model.parent.name}" for model in Path("checkpoints").glob("*/model.zip"))
OURS = ["hrm_env*", "hrm_agent*", "train*"]

setup(
    packages=["hrm_zoo", *ZOO]
    + ["hrm_train" + name[5:] if name.startswith("train") else name for name in find_packages(include=OURS)],
    package_dir={"hrm_train": "train", "hrm_zoo": "checkpoints"},
)
