"""HRM as a Stable-Baselines3 algorithm: a thin shell over `Learner`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import gymnasium as gym
import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv

from hrm_agent import halting as halting_policies
from hrm_agent.agent_options import check_agent_options
from hrm_agent.distributed import Vote, rank_seed, world_size
from hrm_agent.evaluation import Evaluation, evaluate
from hrm_agent.event_files import event_writers, forget_after
from hrm_agent.halting import Exploration, HaltingPolicy
from hrm_agent.halting.exploration import Per
from hrm_agent.learning.config import LearnerConfig
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.schedules import learning_rate_factor
from hrm_agent.limits import check_thinking
from hrm_agent.policy import HRMPolicy
from hrm_agent.puzzle_identity import PuzzleIdentity, puzzle_task
from hrm_agent.saving.agent_file import load_agent, read_weights, save_agent
from hrm_agent.training_log import TrainingLog
from hrm_agent.vec_env import PuzzleEnvironment, PuzzleStream, as_vec_env, native, registered
from hrm_env.actions import action_space
from hrm_env.observations import observation_space, sizes_of


class HRM(BaseAlgorithm):
    """The Hierarchical Reasoning Model: learns what to answer by supervision and when to stop by Q-learning.

    Every timestep is one segment of one environment; ``n_envs`` timesteps are one optimizer step. The defaults are the
    paper's (arXiv 2506.21734).

    Args:
        policy: ``"HRMPolicy"`` or a subclass of it.
        env: A registered id, a gymnasium environment, the native vector environment or an SB3 `VecEnv`, of puzzles.
        n_envs: Slots B, where ``env`` is an id; the batch size.
        env_kwargs: Options of the environment, where ``env`` is an id.
        learning_rate: Full rate, reached after the warm-up.
        warmup_steps: Optimizer steps of linear warm-up.
        lr_min_ratio: The rate at the end of a cosine decay over the run, as a share of the full rate; 1 keeps it
            constant.
        halting: The policy that decides when to stop, as in `hrm_agent.halting.make`; swap it at any time by
            ``model.halting = ...``.
        exploration: Probability ε of a minimum number of segments.
        exploration_per: Whether that is drawn once an ``"episode"`` (paper) or every ``"segment"`` (reference code).
        compile: Train with `torch.compile`: about 1.6 times as fast on a CPU, after a minute of compiling (some seconds
            once its cache is filled; needs a C++ compiler, and torch in a path without spaces). None for CUDA only.
            Begins with `learn`; evaluation, `predict` and files know nothing of it.
        policy_kwargs: The core's name and options.
        tensorboard_log: Folder of the TensorBoard logs.
        verbose: 1 prints the log.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        seed: Seed of weights, puzzles and exploration.
        _init_setup_model: For SB3's signature.
        **learning: Fields of `LearnerConfig`.

    Raises:
        ValueError: An option is unknown or out of range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"HRMPolicy": HRMPolicy}
    policy: HRMPolicy

    def __init__(
        self,
        policy: str | type[HRMPolicy] = "HRMPolicy",
        env: PuzzleEnvironment | str | None = None,
        *,
        n_envs: int = 768,
        env_kwargs: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        warmup_steps: int = 2000,
        lr_min_ratio: float = 1.0,
        halting: str | HaltingPolicy = "q-compare",
        exploration: float = 0.1,
        exploration_per: Per = "episode",
        compile: bool | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        seed: int | None = None,
        _init_setup_model: bool = True,
        **learning: Any,
    ) -> None:
        check_agent_options(n_envs, warmup_steps, lr_min_ratio, exploration, exploration_per, seed)
        if isinstance(env, str):
            options = {"num_envs": n_envs, "array": "torch", "device": get_device(device), **(env_kwargs or {})}
            made = gym.make_vec(registered(env), **options)
            env = as_vec_env(made, verbose)
        elif env is not None:
            env = as_vec_env(env, verbose)
        super().__init__(
            policy,
            env,
            learning_rate,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
        )
        self.learner_config = LearnerConfig.of(learning_rate=learning_rate, **learning)
        self._halting_at_start = halting_policies.make(halting)
        if "q_continue" in self._halting_at_start.needs and not self.learner_config.learns_q_continue:
            warnings.warn(f"halting {halting!r} reads Q_continue, which these options do not train", stacklevel=2)
        self.warmup_steps, self.lr_min_ratio = warmup_steps, lr_min_ratio
        self.exploration, self.exploration_per, self.compile = exploration, exploration_per, compile
        self.training_log, self._stop = TrainingLog(), Vote()
        if _init_setup_model and self.env is not None:
            self.adopt(PuzzleIdentity.of(self.env))

    def adopt(self, puzzles: PuzzleIdentity, n_envs: int = 1) -> None:
        """Makes networks and learner for these puzzles; the constructor and `load` call it once.

        Args:
            puzzles: Which; the environment's own budget goes first where there is an environment.
            n_envs: Batch size, where there is no environment.
        """
        self.puzzles = puzzles
        if self.env is None:
            self.observation_space = observation_space(puzzles.sizes)
            self.action_space = action_space(puzzles.sizes.seq_len, puzzles.sizes.vocab_size)
            self.n_envs = n_envs
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        made = self.policy_class(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        assert isinstance(made, HRMPolicy)
        self.policy = made.to(self.device)
        self.policy.task = puzzle_task(self.env, self.puzzles.task)
        if world_size() > 1:
            self.set_random_seed(rank_seed(self.seed))  # the same weights on all ranks, but puzzles of its own
        self._generator = torch.Generator(self.device).manual_seed(torch.initial_seed() % 2**63)
        self._explorer = Exploration(
            self._halting_at_start, self.exploration, self.max_segments, self._generator, self.exploration_per
        )
        self.learner = Learner(
            self.policy.core, self._explorer, self.max_segments, self.learner_config, self.policy.task
        )
        self.policy.average = self.learner.ema
        self.halting = self._halting_at_start
        if self.env is not None:
            self.stream = PuzzleStream(self.env, self.device)

    @staticmethod
    def _wrap_env(env: PuzzleEnvironment, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return as_vec_env(env, verbose)

    @property
    def max_segments(self) -> int:
        """The budget M_max, from the observation space."""
        return sizes_of(self.observation_space).max_segments

    @property
    def batch_size(self) -> int:
        """Segments in an optimizer step: the slots of all processes that train together."""
        return self.n_envs * world_size()

    @property
    def halting(self) -> HaltingPolicy:
        """The policy that decides when to stop, in training, `predict` and `evaluate`; assign a string or a policy."""
        return self.policy.halting

    @halting.setter
    def halting(self, halting: str | HaltingPolicy) -> None:
        made = halting_policies.make(halting)
        check_thinking(made, self.max_segments, self.policy.core)
        self.policy.halting, self._explorer.policy = made, halting_policies.make(halting)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "HRM",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for ``total_timesteps`` segments over all environments.

        Args:
            total_timesteps: Segments; rounded up to whole optimizer steps.
            callback: SB3 callbacks.
            log_interval: Optimizer steps between log entries.
            tb_log_name: Name of the run's log folder.
            reset_num_timesteps: Start counting anew, with fresh puzzles; False goes on where the last call ended.
            progress_bar: Show one.

        Raises:
            NonFiniteError: The loss is no longer finite; checkpoints on disk are untouched.
            ValueError: There is no environment, or the log folder cannot be written.
        """
        if self.env is None:
            raise ValueError("learn: expected an environment, found none; give one to HRM.load or set_env")
        anew = reset_num_timesteps or self._last_obs is None
        try:
            total_timesteps, callback = self._setup_learn(
                total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
            )
        except OSError as error:
            raise ValueError(
                f"tensorboard_log: expected a writable folder, found {self.tensorboard_log!r} ({error})"
            ) from error
        if anew:
            assert self._last_obs is not None
            self.stream.begin(self._last_obs)
            self._carry = self.policy.core.initial_carry(self.n_envs)
        forget_after(event_writers(self.logger.output_formats), self.num_timesteps)
        if self.device.type == "cuda" if self.compile is None else self.compile:
            self.learner.compile(self.n_envs)
        callback.on_training_start(locals(), globals())
        callback.on_rollout_start()
        self.training_log.begin()
        try:
            while self.num_timesteps < total_timesteps and self._train_segment(callback, log_interval):
                pass
            callback.on_rollout_end()
            self._log()
        finally:
            callback.on_training_end()
        return self

    def _train_segment(self, callback: BaseCallback, log_interval: int) -> bool:
        """One segment in every environment and one optimizer step; False where a callback wants to stop."""
        self.learner.set_learning_rate_factor(self._learning_rate_factor())
        self.learner.set_progress(self.num_timesteps / self._total_timesteps)
        batch, segment = self.stream.current()
        step = self.learner.step(self._carry, batch, segment)
        self._carry = step.carry
        result = self.stream.step(step.answer, step.halt)
        exploring = (self._explorer.min_segments > 1).float().mean()
        self.training_log.add(step.metrics | {"reward": result.reward.sum(), "exploring": exploring})
        self.num_timesteps += self.batch_size
        self._n_updates += 1
        if self.training_log.sums.steps >= log_interval:
            self._log()  # before the callbacks: one that saves the run has nothing left to log of this step
        callback.update_locals(locals())
        return not self._stop.highest(int(not callback.on_step()))

    def _learning_rate_factor(self) -> float:
        step, total = self.num_timesteps // self.batch_size, self._total_timesteps // self.batch_size
        return learning_rate_factor(step, self.warmup_steps, total, self.lr_min_ratio)

    def _log(self) -> None:
        rate = self.learner.optimizers[0].param_groups[0]["lr"]
        self.training_log.write(self.logger, self._n_updates, self.num_timesteps, self.batch_size, rate)

    def evaluate(self, env: VectorEnv[Any, Any, Any], halting: str | HaltingPolicy | None = None) -> Evaluation:
        """Every puzzle of ``env`` exactly once; see `hrm_agent.evaluation.evaluate`.

        Args:
            env: ``gym.make_vec(id, num_envs=B, order="once", ...)``.
            halting: Another policy for this sweep.

        Raises:
            CheckpointError: The puzzles are others than the agent was made for.
        """
        self.puzzles.require(env, "evaluate: the agent is made")
        policy = self.halting if halting is None else halting_policies.make(halting)
        return evaluate(self.policy.acting_core, policy, native(env))

    def save(self, path: str | Path, exclude: Any = None, include: Any = None) -> None:  # type: ignore[override]
        """Writes a zip of JSON and safetensors: weights, averaged weights, optimizer state and options.

        Args:
            path: With or without ``.zip``.
            exclude: For SB3's signature; has no effect.
            include: For SB3's signature; has no effect.

        Raises:
            NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
        """
        save_agent(self, path)

    @classmethod
    def load(  # type: ignore[override]  # without SB3's options for pickled objects
        cls,
        path: str | Path,
        env: PuzzleEnvironment | None = None,
        device: torch.device | str = "auto",
        **overrides: Any,
    ) -> Self:
        """Reads what `save` wrote. Nothing is unpickled.

        Args:
            path: The file, with or without ``.zip``, or the folder of a run that holds ``model.zip``.
            env: Puzzles to go on with; None where the model is only to predict or to be evaluated.
            device: Where to put it.
            **overrides: Options of the constructor to change, such as ``halting="fixed:4"``.

        Raises:
            CheckpointError: The file is missing, damaged, or made for other puzzles than those of ``env``.
        """
        return cast(Self, load_agent(cls, path, env, device, overrides))

    def set_env(self, env: PuzzleEnvironment, force_reset: bool = True) -> None:
        """Goes on with other puzzles of the same sizes; the budget of segments may differ.

        Args:
            env: The puzzles, in ``n_envs`` slots.
            force_reset: For SB3's signature; other puzzles always begin anew.

        Raises:
            ValueError: The puzzles have other sizes, or there are not ``n_envs`` environments.
        """
        made = as_vec_env(env, self.verbose)
        self.puzzles.require(made, "set_env: the agent is made")
        if made.num_envs != self.n_envs:
            raise ValueError(f"set_env: expected {self.n_envs} environments, found {made.num_envs}")
        check_thinking(self.halting, sizes_of(made.observation_space).max_segments, self.policy.core)
        self.env, self.observation_space = made, made.observation_space
        self.policy.max_segments = self._explorer.max_segments = self.learner.max_segments = self.max_segments
        self.stream = PuzzleStream(made, self.device)
        self._last_obs = None

    def set_parameters(
        self,
        load_path_or_dict: str | Path | Mapping[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Puts weights in place: of `get_parameters`, or of a checkpoint file, which is not unpickled."""
        parameters = load_path_or_dict
        if not isinstance(parameters, Mapping):
            parameters = {"policy": read_weights(parameters, self.policy.state_dict())}
        super().set_parameters(dict(parameters), exact_match, device)
