# %% [markdown]
# # Let PPO learn to halt
#
# Halting is an action, so any RL algorithm can learn it. Here the agent is frozen: what it thinks of every puzzle is
# recorded once, and `HRM-Halting-v0` replays it as an environment with two actions, continue and halt. Then PPO of
# Stable-Baselines3 learns when to stop, and what it has learned is a halting policy like any other. It takes about
# half a minute.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from hrm_agent import load_pretrained, record

agent = load_pretrained("sudoku6x6")
BUDGET = 8
options = {"num_envs": 250, "split": "test", "order": "once", "max_segments": BUDGET}

# %% [markdown]
# ## Record the agent
#
# These puzzles have another seed than those of the comparison below, so nothing is learned from the puzzles it is
# tested on.

# %%
thinking = gym.make_vec("HRM-Sudoku6x6-v0", num_puzzles=1000, puzzle_seed=1, **options)
traces = record(agent.policy.acting_core, thinking.unwrapped, "halting.traces")
print(traces)
print("right after each segment:", traces.correct[:, 0].mean(0).round(3))

# %% [markdown]
# ## One episode
#
# An episode is a puzzle, and an observation what a policy may know after a segment. Every step costs `cost`, and the
# step that ends the episode pays 1 if the answer is right there. The return is `correct − cost · segments`.
#
# We show PPO two features only, so that its whole policy can be drawn: Q_halt, squashed to (−1, 1), and the share of
# the budget that is used. Without `features` it sees ten.

# %%
SEEN = ("q_halt", "fraction")
env = gym.make("HRM-Halting-v0", traces=traces, cost=0.01, features=SEEN)
observation, info = env.reset(options={"index": 0})
done = False
while not done:
    before = observation
    observation, reward, done, _, info = env.step(0)
    print(f"q_halt {before[0]:+.2f}, fraction {before[1]:.2f}: continue, reward {reward:+.2f}")
print(info["halt_reason"], "ends it after", info["segments"], "segments; right:", info["correct"])

# %% [markdown]
# ## Train
#
# We train twice: with a cheap segment, worth a hundredth of a right answer, and with a dear one, worth a fifth.
# Episodes are short, so the return is not discounted.

# %%
DECISIONS = 40_000
COSTS = (0.01, 0.2)
learned = {}
for cost in COSTS:
    slots = make_vec_env("HRM-Halting-v0", n_envs=16, env_kwargs={"traces": traces, "cost": cost, "features": SEEN})
    model = PPO("MlpPolicy", slots, learning_rate=1e-3, gamma=1.0, n_steps=256, batch_size=512, seed=0, device="cpu")
    model.learn(DECISIONS)
    model.save(f"cost{cost}.zip")
    learned[cost] = model
    recent = [episode["r"] for episode in model.ep_info_buffer]
    print(f"cost {cost}: mean return of the last {len(recent)} episodes {np.mean(recent):.3f}")

# %% [markdown]
# ## What it has learned
#
# The colour is the probability that PPO halts. The dots are the answers that it learned from: right ones green, wrong
# ones red. Where time is cheap, it waits for a sure answer; where time is dear, it stops at answers that may well be
# wrong. The last segment ends the episode in any case, so nothing is learned there.

# %% alt="Probability of halting by Q_halt and segment, for a low and a high cost of a segment"
values = np.linspace(-0.9, 0.9, 91)
grid = np.array([(value, segment / BUDGET) for segment in range(1, BUDGET + 1) for value in values], np.float32)
squashed = traces.signals["q_halt"][:, 0] / (5 + np.abs(traces.signals["q_halt"][:, 0]))
where = np.arange(1, BUDGET + 1) + np.random.default_rng(0).uniform(-0.35, 0.35, squashed.shape)
correct = traces.correct[:, 0]

figure, panels = plt.subplots(1, len(COSTS), figsize=(10, 3.8), sharey=True, layout="constrained")
for axes, cost in zip(panels, COSTS, strict=True):
    with torch.no_grad():
        halts = learned[cost].policy.get_distribution(torch.from_numpy(grid)).distribution.probs[:, 1]
    edges = (np.arange(0.5, BUDGET + 1), np.append(values - 0.01, values[-1] + 0.01))
    picture = axes.pcolormesh(*edges, halts.view(BUDGET, -1).T, cmap="Blues", vmin=0, vmax=1)
    for rows, colour in ((correct, "#2da44e"), (~correct, "#cf222e")):
        axes.scatter(where[rows], squashed[rows], s=1, color=colour)
    axes.set(title=f"cost {cost}", xlabel="segment")
panels[0].set_ylabel("Q_halt, squashed")
figure.colorbar(picture, label="P(halt)")
plt.show()

# %% [markdown]
# ## Use it
#
# `sb3:FILE` is a halting policy wherever one is named. It reads the plain numbers of the file, and unpickles nothing.
# The live agent is tested on new puzzles; a replay would give the same decisions.

# %%
test = gym.make_vec("HRM-Sudoku6x6-v0", num_puzzles=500, puzzle_seed=2, **options)
print(f"{'policy':18} solved  segments  return at cost {COSTS[0]}  at cost {COSTS[1]}")
for halting in (
    "q-compare",
    "q-threshold:0.95",
    *(f"sb3:cost{cost}.zip" for cost in COSTS),
    f"fixed:{BUDGET}",
    "oracle",
):
    summary = agent.evaluate(test, halting).summary()
    solved, segments = summary["exact"], summary["segments_mean"]
    returns = [solved - cost * segments for cost in COSTS]
    print(f"{halting:18} {solved:6.1%}  {segments:8.2f}  {returns[0]:19.3f}  {returns[1]:11.3f}")

# %% [markdown]
# ## What to try
#
# - Leave `features` out: PPO then sees entropy, change, residuals and more ([the list](../halting-env.md#features)).
#   Does it beat two numbers?
# - Train longer, or with DQN: `DQN("MlpPolicy", gym.make("HRM-Halting-v0", traces=traces), gamma=1.0)`.
# - Give it the option to be silent: `abstain=True` and `wrong_cost=1` make a third action worth having.
# - From the shell, with 5,000 puzzles and a comparison on puzzles held out: `python -m train learn-halting
#   --checkpoint zoo:sudoku6x6 --algorithm ppo --cost 0.01`.
# - Go on with [a puzzle of your own](5-own-puzzle.py).
