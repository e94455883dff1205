"""A window that shows one picture after another."""

from __future__ import annotations

import os
import time

import numpy as np
import numpy.typing as npt

from hrm_env.extras import optional


class Window:
    """A window that opens with the first picture. A process has one window, which a second `Window` takes over.

    Args:
        title: Title of the window.

    Attributes:
        closed: Whether `close` or the user closed it; it then stays closed.

    Raises:
        DependencyNotInstalled: pygame is missing.
    """

    def __init__(self, title: str) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame prints a greeting otherwise
        self._pygame = optional("pygame", "window")
        self._title = title
        self._due = 0.0
        self.closed = False

    def show(self, picture: npt.NDArray[np.uint8], seconds: float) -> None:
        """Shows a picture after the previous one has been visible long enough. Does nothing in a closed window.

        Args:
            picture: The picture, ``(H, W, 3)`` uint8.
            seconds: Minimum time that it stays visible.
        """
        self.wait()
        if self.closed:
            return
        display, size = self._pygame.display, picture.shape[1::-1]
        display.init()
        surface = display.get_surface()
        if surface is None or surface.get_size() != size:
            surface = display.set_mode(size)
        display.set_caption(self._title)
        self._pygame.surfarray.blit_array(surface, picture.swapaxes(0, 1))
        display.flip()
        self._due = time.monotonic() + seconds

    def wait(self) -> None:
        """Waits until the picture has been visible long enough, or the user closes the window."""
        while not self.closed:
            if self._pygame.display.get_init() and self._pygame.event.get(self._pygame.QUIT):
                self.close()
            if time.monotonic() >= self._due:
                return
            self._pygame.time.wait(20)

    def close(self) -> None:
        """Closes the window."""
        self._pygame.display.quit()
        self.closed = True
