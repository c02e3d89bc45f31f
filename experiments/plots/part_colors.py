"""Colours of the face parts, in figures and on users' photos."""

PART_COLORS = {
    "contour": "#00e5ff",
    "left brow": "#ffe600",
    "right brow": "#ff9100",
    "nose": "#4dff4d",
    "left eye": "#4d88ff",
    "right eye": "#d580ff",
    "outer lip": "#ff3366",
    "inner lip": "#ffb3cc",
    "points": "#4dff4d",
}
"""Colours of the parts of :func:`~fbnet_pfld.evaluators.parts_of`; left and right differ, so that a mix-up shows."""
