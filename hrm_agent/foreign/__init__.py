"""Reads files of torch and of Stable-Baselines3 without an unpickler; docs/files.md."""
