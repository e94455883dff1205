"""HRM as a Stable-Baselines3 algorithm: a thin shell over `Learner`."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback, Schedule
from stable_baselines3.common.utils import ConstantSchedule

from hrm_agent import halting as halting_policies
from hrm_agent.config import AgentConfig, LearnerConfig
from hrm_agent.cores import core_config
from hrm_agent.cores.compiling import pays
from hrm_agent.distributed import AgreedMaximum, rank_seed, world_size
from hrm_agent.halting import Exploration, HaltingPolicy
from hrm_agent.learning.learner import Learner
from hrm_agent.puzzle_identity import PuzzleIdentity, puzzle_task
from hrm_agent.sb3.constructor import check_names, check_surroundings, plain, takes_agent_options
from hrm_agent.sb3.event_files import event_writers, forget_after
from hrm_agent.sb3.policy import HRMPolicy
from hrm_agent.sb3.puzzle_algorithm import PuzzleAlgorithm
from hrm_agent.sb3.puzzle_stream import PuzzleStream
from hrm_agent.sb3.training import full_rate, train_segment
from hrm_agent.sb3.training_log import TrainingLog
from hrm_agent.sb3.vec_env import PuzzleEnvironment, training_env
from hrm_env.checks import check_choice, check_integer
from hrm_env.devices import check_device
from hrm_env.envs.slots import check_slots
from hrm_env.envs.spaces import action_space, observation_space


class HRM(PuzzleAlgorithm):
    """The Hierarchical Reasoning Model: learns what to answer by supervision and when to stop by Q-learning.

    Every timestep is one segment of one environment; ``n_envs / minibatches`` timesteps are one optimizer step. The
    defaults are the paper's (arXiv 2506.21734).

    Args:
        policy: ``"HRMPolicy"`` or a subclass of it.
        env: A registered id, a gymnasium environment, the native vector environment or an SB3 `VecEnv`, of puzzles.
        n_envs: Slots, a multiple of ``minibatches``, if ``env`` is an id: None for 768. Another environment has its
            own.
        env_kwargs: Options of the environment, if ``env`` is an id.
        learning_rate: Full rate, reached after the warm-up; or one of SB3's schedules, a function of the share of the
            run that remains, from 1 to 0, whose value is multiplied by warm-up and cosine decay. Its value at 1 is the
            full rate, and the rates of other groups follow it in proportion.
        halting: Halting policy or its string form, as in `hrm_agent.halting.make`; may be swapped at any time by
            ``model.halting = ...``.
        compile: Train and evaluate with `torch.compile`: about 1.8 times as fast on a CPU, after up to a minute of
            compiling (some seconds once its cache is filled; needs a C++ compiler). None compiles on CUDA, and on a CPU
            if a run is long enough to save more time than that takes; `learn` decides it once, when it begins.
            `predict` and files do not depend on it.
        policy_kwargs: Name and options of the core.
        stats_window_size: Number of newest episodes behind ``rollout/ep_rew_mean`` and ``rollout/ep_len_mean``.
        tensorboard_log: Folder of the TensorBoard logs.
        verbose: 1 prints the log.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        _init_setup_model: For SB3's signature.
        **options: Further options of `hrm_agent.config.AgentConfig` and of its `LearnerConfig`.

    Attributes:
        config: The `AgentConfig` that it was made with.

    Raises:
        ValueError: An option is unknown or out of range, or one of an environment to be made although ``env`` is made.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"HRMPolicy": HRMPolicy}

    @takes_agent_options
    def __init__(
        self,
        policy: str | type[HRMPolicy] = "HRMPolicy",
        env: PuzzleEnvironment | str | None = None,
        *,
        n_envs: int | None = None,
        env_kwargs: dict[str, Any] | None = None,
        learning_rate: float | Schedule = LearnerConfig.learning_rate,
        halting: str | HaltingPolicy = AgentConfig.halting,
        compile: bool | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        **options: Any,
    ) -> None:
        check_names(type(self), options)
        if not (isinstance(policy, type) and issubclass(policy, HRMPolicy)):
            policy = self.policy_aliases[check_choice("policy", policy, self.policy_aliases)]  # type: ignore[assignment]
        n_envs = None if n_envs is None else check_slots(n_envs, "n_envs")
        check_surroundings(env_kwargs, policy_kwargs, compile, stats_window_size, tensorboard_log, verbose)
        if isinstance(learning_rate, ConstantSchedule):  # which rl_zoo3 makes of every number
            learning_rate = learning_rate.val
        self._halting_at_start = halting_policies.make(halting)
        self.config = AgentConfig.of(
            learning_rate=full_rate(learning_rate), halting=self._halting_at_start.name, **options
        )
        if "q_continue" in self._halting_at_start.needs and not self.config.learner.learns_q_continue:
            warnings.warn(f"halting {halting!r} reads Q_continue, which these options do not train", stacklevel=2)
        if policy is HRMPolicy:  # another class may have options of its own, which it checks itself
            core_config(**(policy_kwargs or {}))
        device = check_device(device)
        super().__init__(
            policy,
            training_env(env, n_envs, env_kwargs, device, verbose),
            learning_rate,
            policy_kwargs=plain(policy_kwargs),
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=self.config.seed,
        )
        self.compile = compile
        self._compiles, self._compiled_sweeps = None, {}
        self._stop = AgreedMaximum()
        if _init_setup_model and self.env is not None:
            self.build_for(PuzzleIdentity.of(self.env))

    def build_for(self, puzzles: PuzzleIdentity, n_envs: int = 1) -> None:
        """Builds networks and learner for these puzzles; the constructor and `load` call it once.

        Args:
            puzzles: The puzzles; the budget of the environment, if there is one, takes precedence over theirs.
            n_envs: Batch size, if there is no environment.
        """
        self.puzzles = puzzles
        if self.env is None:
            self.observation_space = observation_space(puzzles.sizes)
            self.action_space = action_space(puzzles.sizes.seq_len, puzzles.sizes.vocab_size)
            self.n_envs = n_envs
        self._setup_model()

    def _setup_model(self) -> None:
        config = self.config
        if self.n_envs % config.minibatches:
            raise ValueError(
                f"minibatches: expected a divisor of the {self.n_envs} environments, found {config.minibatches}"
            )
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        made = self.policy_class(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        assert isinstance(made, HRMPolicy)
        self.policy = made.to(self.device)
        self.policy.task = puzzle_task(self.env, self.puzzles.task)
        if world_size() > 1:
            self.set_random_seed(rank_seed(self.seed))  # the same weights on all ranks, but puzzles of its own
        self._generator = torch.Generator(self.device).manual_seed(torch.initial_seed() % 2**63)
        options = (config.exploration, self.max_segments, self._generator, config.exploration_per)
        self._explorers = [Exploration(self._halting_at_start, *options) for _ in range(config.minibatches)]
        self.learner = Learner(self.policy.core, self._explorers, self.max_segments, config.learner, self.policy.task)
        self.policy.average = self.learner.ema
        self.training_log = TrainingLog(self.n_envs, self._stats_window_size)
        self.halting = self._halting_at_start
        if self.env is not None:
            self.stream = PuzzleStream(self.env, self.device)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "HRM",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for ``total_timesteps`` segments over all environments.

        Args:
            total_timesteps: Segments; rounded up to a whole number of them in each environment.
            callback: SB3 callbacks.
            log_interval: Optimizer steps between log entries; None for entries by `dump_logs` alone.
            tb_log_name: Name of the run's log folder.
            reset_num_timesteps: Start counting anew, with fresh puzzles; False goes on where the last call ended.
            progress_bar: Show one.

        Raises:
            NonFiniteError: The loss is no longer finite; checkpoints on disk are untouched.
            ValueError: There is no environment, or the log folder cannot be written.
        """
        check_integer("total_timesteps", total_timesteps)
        if log_interval is not None:
            check_integer("log_interval", log_interval, 1)
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
            self.training_log = TrainingLog(self.n_envs, self._stats_window_size)
        self.ep_info_buffer = self.training_log.episodes.newest
        forget_after(event_writers(self.logger.output_formats), self.num_timesteps)
        self._begin_compiled((total_timesteps - self.num_timesteps) // self.batch_size, anew)
        callback.on_training_start(locals(), globals())
        callback.on_rollout_start()
        self.training_log.begin()
        try:
            while self.num_timesteps < total_timesteps and train_segment(self, callback, log_interval):
                pass
            callback.on_rollout_end()
            if log_interval is not None:
                self.dump_logs()
        finally:
            callback.on_training_end()
        return self

    def _begin_compiled(self, steps: int, anew: bool) -> None:
        """Compiles what so many optimizer steps compute, if that is asked for or pays; a run begun keeps to it."""
        compiles = self.compile
        if compiles is None and (self._compiles or not anew):
            compiles = self._compiles
        if compiles is None:
            compiles = self.device.type == "cuda" or pays(self.policy.core, self.minibatch_size, steps)
        if compiles:
            self.learner.compile(self.minibatch_size)
        self._compiles = self.learner.compiled

    def dump_logs(self) -> None:
        """Writes what was measured since the last call, if anything, as SB3's `LogEveryNTimesteps` asks for.

        Raises:
            NonFiniteError: The loss is no longer finite.
        """
        self.training_log.write(self)
