"""Procedurally rendered faces with 106 exact points and exact pose."""

from .generation import generate
from .render import Face, render_face

__all__ = ["Face", "generate", "render_face"]
