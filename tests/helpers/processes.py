"""Processes that a test starts and kills.

They are forked from a server that has imported the project and run nothing: fork copies one thread only, so a process
forked from one that has computed with torch may wait for ever for a lock that another thread held.
"""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
# torch._dynamo, which takes a second, is what the first optimizer imports
FORKS.set_forkserver_preload(["hrm_agent.sb3.agent", "hrm_agent.sb3.dashboard", "train.training", "torch._dynamo"])
