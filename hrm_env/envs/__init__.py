"""What an episode is: the scalar and the batched environment over shared rules."""
