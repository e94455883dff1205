"""Which halting policy is best, with intervals: numpy alone."""
