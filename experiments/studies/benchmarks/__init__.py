"""Measurements of speed: each module compares with a named peer in one run, and prints ratios and a final JSON line."""

from ...pipeline.quiet import quieten

quieten()
