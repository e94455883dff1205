"""The commands: ``python -m train fit|evaluate|watch|demo`` in a clone, ``hrm`` once installed (as `hrm_train`)."""
