"""Agents and runs as files, and back; docs/files.md and docs/running.md."""
