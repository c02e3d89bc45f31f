"""Procedural faces with 106 exact points and exact pose."""

from .render import Face, render_face
from .writer import generate

__all__ = ["Face", "generate", "render_face"]
