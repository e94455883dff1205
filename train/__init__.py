"""The commands: ``python -m train fit|evaluate|watch|demo``."""
