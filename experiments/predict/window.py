"""A window that shows the frames of a video or a camera while they are predicted."""

import subprocess
import sys
from types import TracebackType

import cv2

from ...runtime import Image
from ...search_space.errors import InputError

KEYS = (ord("q"), 27)
"""Keys that end a video: q and Esc."""

PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
"""Opens a window, in another process: without a display, OpenCV's toolkit ends the process instead of raising an error."""


class Window:
    """A window, open while a ``with`` block runs; q or Esc ends the video that it shows.

    Raises
    ------
    InputError
        If there is no display, or OpenCV cannot open windows.
    """

    def __init__(self, title: str):
        if subprocess.run([sys.executable, "-c", PROBE], capture_output=True).returncode:
            raise InputError("--show needs a display and an OpenCV with windows; remove --show, and see the .mp4 file")
        self._title, self._pressed = title, False

    def show(self, image: Image) -> None:
        """Show a frame, uint8 (H, W, 3), BGR, and check for a key press."""
        cv2.imshow(self._title, image)
        self._pressed = cv2.waitKey(1) & 0xFF in KEYS

    def ended(self) -> bool:
        """Whether a key was pressed at the last frame; only True once, so that the next video can run."""
        pressed, self._pressed = self._pressed, False
        return pressed

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        cv2.destroyAllWindows()
