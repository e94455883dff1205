"""The learning rule: torch only."""
