"""Films: pictures with the time each one stands, as a GIF or an MP4 file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from hrm_env.drawing import Picture
from hrm_env.extras import optional
from hrm_env.files import atomic_write

Film = Sequence[tuple[Picture, float]]
"""Pictures of one size, each with its seconds."""

_FPS = 20


def film_writer(path: Path) -> Callable[[Film], None]:
    """What writes a film to a path, by its suffix.

    Raises:
        ValueError: The suffix is neither .gif nor .mp4.
        DependencyNotInstalled: The encoder of MP4 is missing.
    """
    if path.suffix == ".gif":
        return lambda film: _write_gif(path, film)
    if path.suffix == ".mp4":
        optional("imageio_ffmpeg", "video")
        return lambda film: _write_mp4(path, film)
    raise ValueError(f"--to: expected terminal, window, or a file .gif, .mp4 or .png, found {str(path)!r}")


def _write_gif(path: Path, film: Film) -> None:
    first, *rest = (Image.fromarray(picture) for picture, _ in film)
    milliseconds = [max(20, round(1000 * seconds)) for _, seconds in film]  # browsers play shorter ones slowly
    with atomic_write(path) as file:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)


def _write_mp4(path: Path, film: Film) -> None:
    height, width, _ = film[0][0].shape
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "film.mp4"
        encoder = optional("imageio_ffmpeg", "video").write_frames(
            str(whole), (width, height), fps=_FPS, macro_block_size=2, quality=8, ffmpeg_log_level="error"
        )
        encoder.send(None)
        for picture, seconds in film:
            for _ in range(max(1, round(_FPS * seconds))):
                encoder.send(picture.tobytes())
        encoder.close()
        with atomic_write(path) as file:
            file.write(whole.read_bytes())
