"""The whole training loop of HRM in torch and Gymnasium, without Stable-Baselines3: 4x4 Sudoku in about a minute."""

import gymnasium as gym
import torch

from hrm_agent import Exploration, Learner, LearnerConfig, PuzzleShape, evaluate, make_core, make_halting_policy
from hrm_env import PuzzleBatch, PuzzleVectorEnv, pack_action


def main(steps: int = 1000, batch_size: int = 64, max_segments: int = 8, seed: int = 0) -> dict[str, float]:
    """Trains for ``steps`` segments of every slot and returns the figures on held-out puzzles."""
    torch.manual_seed(seed)
    env = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=batch_size, max_segments=max_segments, augment=True, array="torch")
    assert isinstance(env, PuzzleVectorEnv)
    spec = env.rules.task.spec
    core = make_core(
        PuzzleShape(spec.seq_len, spec.vocab_size),
        hidden_size=64,
        num_heads=2,
        expansion=2.0,
        h_layers=1,
        l_layers=1,
        mixer="mlp",
        gradient="last-cycle",
    )
    policy = make_halting_policy("q-compare")
    explorer = Exploration(policy, 0.1, max_segments, torch.Generator().manual_seed(seed))
    config = LearnerConfig(
        optimizer="adamw", learning_rate=3e-3, weight_decay=0.1, token_loss="softmax", q_bootstrap="next-step", ema=0.99
    )
    learner = Learner(core, explorer, max_segments, config)

    observation, info = env.reset(seed=seed)
    carry = core.initial_carry(batch_size)
    for step in range(steps):
        batch = PuzzleBatch(observation["inputs"], info["solution"], observation["puzzle_id"])
        segment = learner.step(carry, batch, observation["segment"])  # loss, backward, optimizer, halting
        carry = segment.carry  # detached; rows that begin an episode are reset by the learner
        action = pack_action(segment.answer, segment.halt)
        observation, _, _, _, info = env.step(action)  # grades, pays and refills the slots
        if step % 100 == 0:
            print(f"step {step:4d}  loss {segment.metrics['loss']:.3f}")

    test = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=batch_size, max_segments=max_segments, split="test", order="once")
    assert isinstance(test, PuzzleVectorEnv)
    return evaluate(learner.acting_core, policy, test).summary()


if __name__ == "__main__":
    print(main())
