"""Tries an installed wheel. Run with ``python -I`` in an empty folder outside the clone."""

import importlib.util
import pkgutil
import sys
import warnings


def try_environments() -> None:
    """Makes an environment, for which no module of the agent is imported."""
    import gymnasium as gym

    env = gym.make("hrm_env:HRM-Sudoku4x4-v0", num_puzzles=8)
    assert not {"hrm_agent", "stable_baselines3"} & set(sys.modules)
    env.reset(seed=0)
    assert "HRM-Halting-v0" not in gym.registry
    try:
        gym.make("hrm_agent:HRM-Halting-v0")
    except ValueError as error:
        assert "traces" in str(error)  # noqa: PT017


def import_everything() -> None:
    """Imports every module, from the wheel, and finds nothing that belongs to the clone alone."""
    for package in ("benchmarks", "experiments", "tests", "train"):
        assert importlib.util.find_spec(package) is None, package
    for package in map(importlib.import_module, ("hrm_agent", "hrm_env", "hrm_train")):
        assert package.__file__.startswith(sys.prefix), package.__file__
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def try_agents() -> None:
    """Trains, saves and loads an agent, and evaluates a released one."""
    import gymnasium as gym

    import hrm_agent

    model = hrm_agent.HRM(
        env="HRM-Sudoku4x4-v0",
        n_envs=8,
        env_kwargs={"num_puzzles": 8},
        halting="fixed:2",
        device="cpu",
        seed=0,
        policy_kwargs={"hidden_size": 16, "num_heads": 2, "h_layers": 1, "l_layers": 1},
    )
    model.learn(16)
    model.save("agent.zip")
    loaded = hrm_agent.HRM.load("agent.zip", device="cpu")
    assert loaded.num_timesteps == 16
    env = gym.make("HRM-Sudoku4x4-v0", num_puzzles=8)
    observation, _ = env.reset(seed=0)
    assert (loaded.predict(observation)[0] == model.predict(observation)[0]).all()
    assert hrm_agent.load_pretrained("sudoku4x4", device="cpu").evaluate(env).exact.all()  # of the package itself


def try_data() -> None:
    """Reads what a study's page is made of."""
    from importlib.resources import files

    folder = files("hrm_agent.study.page")
    for name in ("page.html", "page.css", "page.js", "charts.js", "puzzles.js", "plotly-basic.min.js"):
        assert folder.joinpath(name).read_text("utf-8"), name


warnings.simplefilter("error")
try_environments()
warnings.simplefilter("default")  # what follows imports packages that may warn of each other
import_everything()
try_data()
try_agents()
