"""Experiments beside the library, run from a clone: ``python -m experiments.NAME.PROGRAM``."""
