"""What recordings tell: traces, replay, metrics and figures."""
