"""Speed, measured: each module prints ratios against a named peer in one run, and one JSON line last."""

from ...pipeline.quiet import quieten

quieten()
