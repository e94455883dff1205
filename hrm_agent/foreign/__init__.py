"""Files of torch and of Stable-Baselines3, read without an unpickler; docs/files.md."""
