"""From published landmark data sets to crops in the 106points layout."""

from .formats import FORMATS
from .options import PrepareOptions
from .pose import head_pose
from .writer import prepare

__all__ = ["FORMATS", "PrepareOptions", "head_pose", "prepare"]
