"""The environments: a scalar and a batched one that share the rules of an episode."""
