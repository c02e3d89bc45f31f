"""Small videos in several containers, whole or damaged, and a capture in place of a camera."""

from pathlib import Path

import cv2
import numpy as np


def write_video(name, frames, fps=20, codec="MJPG"):
    """Write frames of one size; with none, a file with a header alone."""
    height, width = frames[0].shape[:2] if frames else (48, 64)
    writer = cv2.VideoWriter(str(name), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


def state_rate(name, numerator, denominator):
    """Make an AVI file state this number of frames per second in its stream's header."""
    content = bytearray(Path(name).read_bytes())
    at = content.index(b"strh") + 8 + 20
    content[at : at + 8] = denominator.to_bytes(4, "little") + numerator.to_bytes(4, "little")
    Path(name).write_bytes(content)


def damage(name, start, end):
    """Overwrite a part of a file, given as shares of its length, with zeros."""
    content = bytearray(Path(name).read_bytes())
    first, last = int(start * len(content)), int(end * len(content))
    content[first:last] = bytes(last - first)
    Path(name).write_bytes(content)


class FakeCapture:
    """A camera that shows ``frames``, each followed by the call in ``after`` with its number, and states ``facts``."""

    def __init__(self, frames, facts=(), after=None):
        self.frames, self.facts, self.after = list(frames), dict(facts), after or {}
        self.shown, self.released = 0, False

    def isOpened(self):  # noqa: N802  OpenCV's name
        return True

    def get(self, what):
        return self.facts.get(what, 0.0)

    def read(self):
        if self.shown == len(self.frames):
            return False, None
        self.shown += 1
        self.after.get(self.shown, lambda: None)()
        return True, np.array(self.frames[self.shown - 1])

    def release(self):
        self.released = True
