"""Convert published landmark data sets to crops in the 106points layout."""

from .head_pose import head_pose
from .prepare_faces import prepare
from .prepare_options import PrepareOptions
from .source_formats import FORMATS, Format, register_format

__all__ = ["FORMATS", "Format", "PrepareOptions", "head_pose", "prepare", "register_format"]
