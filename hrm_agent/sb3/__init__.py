"""The agent as a Stable-Baselines3 algorithm; the only room that imports stable_baselines3."""
