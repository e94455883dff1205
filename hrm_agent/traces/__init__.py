"""Recorded segments of every puzzle: files, recording, replay, and the halting decision as an environment."""
