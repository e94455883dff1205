# %% [markdown]
# # Train an agent and watch it think
#
# The first part trains a small agent on 4×4 Sudoku, and looks at how its answers become right. The second part
# watches a released agent solve a 6×6 Sudoku, segment by segment, and reads how sure it is. Training takes about 20
# seconds on two cores.
#
# In Colab, install the project first; a clone is installed with `%pip install path/to/clone`.

# %% tags=["skip-execution"]
# %pip install -q hrm-gym

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from hrm_agent import HRM, load_pretrained, record
from hrm_env import draw_puzzle, make_task

# %% [markdown]
# ## Train
#
# `HRM` is a Stable-Baselines3 algorithm. One step of each environment is one segment, and every segment trains the
# network: its answer by supervision, and its Q head by Q-learning on whether the answer is right. Between the parts
# of the training we measure the agent on test puzzles, with every halting rule that costs nothing to define: stop
# after segment k.

# %%
BUDGET = 8
test = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=250, num_puzzles=250, split="test", order="once", max_segments=BUDGET)

core = {"hidden_size": 64, "num_heads": 2, "h_layers": 1, "l_layers": 1, "mixer": "mlp", "gradient": "last-cycle"}
model = HRM(
    "HRMPolicy",
    "HRM-Sudoku4x4-v0",
    n_envs=64,
    env_kwargs={"augment": True, "max_segments": BUDGET},
    policy_kwargs=core,
    learning_rate=3e-3,
    warmup_steps=50,
    optimizer="adamw",
    weight_decay=0.1,
    token_loss="softmax",
    q_bootstrap="next-step",
    compile=False,
    seed=0,
)

curves = {}
for steps in (0, 100, 200, 400):
    model.learn(64 * (steps - max(curves, default=0)), reset_num_timesteps=False)
    curves[steps] = model.evaluate(test, f"fixed:{BUDGET}").summary()["accuracy_by_segment"]
    print(f"after {steps:3} steps: {curves[steps][0]:6.1%} after one segment, {curves[steps][-1]:6.1%} after {BUDGET}")

# %% alt="Share of solved test puzzles after each segment, at several points of the training"
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for steps, curve in curves.items():
    axes.plot(range(1, BUDGET + 1), curve, "o-", label=f"{steps} steps")
axes.set(xlabel="segment", ylabel="solved test puzzles", ylim=(-0.03, 1.03))
axes.legend()
plt.show()

# %% [markdown]
# After 200 steps the agent is far better after eight segments than after one: it learns to improve its answer before
# it learns to find it at once. After more training one segment is enough for most 4×4 puzzles.
#
# ## Watch a released agent
#
# 6×6 puzzles need more thought. We load a released agent, which comes with the package. `record` lets it think about
# every puzzle through all segments, without halting, and keeps every answer and every signal.

# %%
agent = load_pretrained("sudoku6x6")
options = {"split": "test", "num_puzzles": 200, "max_segments": BUDGET}
test = gym.make_vec("HRM-Sudoku6x6-v0", num_envs=200, order="once", **options)
traces = record(agent.policy.acting_core, test.unwrapped, "watched.traces")

correct = traces.correct[:, 0]  # (puzzles, segments), of the only view
first_right = np.where(correct.any(1), correct.argmax(1) + 1, 0)
for segment in range(1, BUDGET + 1):
    print(f"first right at segment {segment}: {(first_right == segment).sum():3} puzzles")
print(f"never right: {(first_right == 0).sum()} puzzles")

# %% [markdown]
# Let us watch the solved puzzle that takes longest. `predict` computes one segment. It returns the hidden state,
# which the next call takes, and the decision is the last number of the action.

# %%
puzzle = int(first_right.argmax())
env = gym.make("HRM-Sudoku6x6-v0", **options)
observation, info = env.reset(options={"index": puzzle})
state, done = None, False
print(f"puzzle {puzzle}, halting by {agent.halting.name}")
while not done:
    action, state = agent.predict(observation, state)
    observation, reward, done, _, info = env.step(action)
    wrong = (action[:-1] != info["solution"]).sum()
    print(f"segment {observation['segment']}: {wrong:2} cells wrong, {'halts' if action[-1] else 'continues'}")
print("reward", reward)

# %% [markdown]
# The pictures show the puzzle and some of its answers. Green cells are right, red cells are wrong, and cells on
# orange break a rule. The number is σ(Q_halt), the probability that the answer is right, as the agent estimates it.

# %% alt="A 6x6 Sudoku and the agent's answers to it, the last of them right"
task = make_task("sudoku:2x3")
sure = 1 / (1 + np.exp(-traces.signals["q_halt"][:, 0]))
shown = np.unique([1, 2, 3, first_right[puzzle]])

figure, panels = plt.subplots(1, 1 + len(shown), figsize=(3 + 3 * len(shown), 3.4), layout="constrained")
panels[0].imshow(draw_puzzle(task, traces.inputs[puzzle]))
panels[0].set_title(f"puzzle {puzzle}")
for axes, segment in zip(panels[1:], shown, strict=True):
    answer = traces.answers[puzzle, 0, segment - 1]
    axes.imshow(draw_puzzle(task, traces.inputs[puzzle], answer, info["solution"]))
    axes.set_title(f"segment {segment}: {sure[puzzle, segment - 1]:.3f}")
for axes in panels:
    axes.axis("off")
plt.show()

# %% [markdown]
# ## Does it know when it is right?
#
# A halting rule can only be as good as what it reads. Here is σ(Q_halt) of every answer of all puzzles. Where right
# and wrong answers lie apart, a threshold between them is a good rule.

# %% alt="The agent's estimate for every answer at each segment, right answers in green and wrong ones in red"
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
segments = np.arange(1, BUDGET + 1) + np.random.default_rng(0).uniform(-0.3, 0.3, sure.shape)
for name, rows, colour in (("right", correct, "#2da44e"), ("wrong", ~correct, "#cf222e")):
    axes.scatter(segments[rows], sure[rows], s=6, color=colour, label=f"{name} answers")
    print(f"{name}: {rows.sum():4} answers, mean estimate {sure[rows].mean():.3f}")
axes.set(xlabel="segment", ylabel="σ(Q_halt)")
axes.legend(loc="center right")
plt.show()

# %% [markdown]
# ## What to try
#
# - Train for 1,000 steps instead of 400. How many segments does the agent still use with `model.evaluate(test)`?
# - Give it more to think about: `"HRM-Sudoku6x6-v0"` with `hidden_size=128` learns in half an hour; the preset
#   `sudoku6x6` does it from the shell ([first steps](../first-steps.md#train-an-agent)).
# - Watch it in the terminal: `python -m train watch --checkpoint zoo:sudoku6x6`, or as a film with `--to film.gif`.
# - Look at the curves of a run in TensorBoard: `tensorboard_log="runs/first"` ([TensorBoard](../tensorboard.md)).
# - Go on with [the comparison of halting policies](3-compare.py).
