"""The window of render_mode="human", on SDL's dummy screen."""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium.error import DependencyNotInstalled

import hrm_env  # noqa: F401  (registers the ids)
from hrm_env.drawing.window import Window

SMALL: dict[str, Any] = {"num_puzzles": 3, "max_segments": 3}


@pytest.fixture
def env() -> Iterator[gym.Env[Any, Any]]:
    made = gym.make("HRM-Sudoku4x4-v0", render_mode="human", **SMALL)
    made.unwrapped.metadata["render_fps"] = 1000
    yield made
    made.close()


def on_screen() -> np.ndarray:
    surface = pygame.display.get_surface()
    assert surface is not None
    return pygame.surfarray.array3d(surface).swapaxes(0, 1)


def picture(env: gym.Env[Any, Any]) -> np.ndarray:
    rendered = env.render()
    assert isinstance(rendered, np.ndarray)
    return rendered


def test_reset_and_step_draw_by_themselves(env: gym.Env[Any, Any]) -> None:
    twin = gym.make("HRM-Sudoku4x4-v0", render_mode="rgb_array", **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of Gymnasium's passive checker
        _, info = env.reset(options={"index": 1})
        twin.reset(options={"index": 1})
        assert np.array_equal(on_screen(), picture(twin))
        assert pygame.display.get_caption()[0] == "sudoku:2x2"
        question = on_screen()
        action = np.append(info["solution"], 0)
        env.step(action)
        twin.step(action)
        assert env.render() is None
    assert np.array_equal(on_screen(), picture(twin))
    assert not np.array_equal(on_screen(), question)


def test_close_closes(env: gym.Env[Any, Any]) -> None:
    env.reset()
    assert pygame.display.get_init()
    env.close()
    assert not pygame.display.get_init()


def test_closing_the_window_does_not_stop_the_environment(env: gym.Env[Any, Any]) -> None:
    _, info = env.reset()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert env.step(np.append(info["solution"], 1))[1] == 1.0
    assert not pygame.display.get_init()
    env.reset()
    assert not pygame.display.get_init()


def test_a_window_follows_the_size_of_its_pictures() -> None:
    window = Window("sizes")
    for size in ((30, 20), (10, 40)):
        picture = np.full((*size, 3), 7, dtype=np.uint8)
        window.show(picture, 0)
        assert np.array_equal(on_screen(), picture)
    window.close()


def test_a_second_environment_takes_the_window_over(env: gym.Env[Any, Any]) -> None:
    env.reset()
    other = gym.make("HRM-Copy-v0", render_mode="human", **SMALL)
    other.unwrapped.metadata["render_fps"] = 1000
    other.reset()
    other.close()
    env.reset()
    assert pygame.display.get_caption()[0] == "sudoku:2x2"


def test_without_pygame_one_sentence_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(DependencyNotInstalled, match=r"^pygame: not installed; type: pip install 'hrm-gym\[window\]'$"):
        gym.make("HRM-Copy-v0", render_mode="human", **SMALL)


def test_the_batched_environment_has_no_window() -> None:
    with pytest.raises(ValueError, match=r"^render_mode: expected one of ansi, rgb_array, found 'human'$"):
        gym.make_vec("HRM-Copy-v0", num_envs=2, render_mode="human", **SMALL)
