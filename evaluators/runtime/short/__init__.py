"""``fbnet_pfld.runtime``: short name of :mod:`fbnet_pfld.evaluators.runtime`."""

from fbnet_pfld.evaluators.runtime import *  # noqa: F403
from fbnet_pfld.evaluators.runtime import __all__ as __all__
from fbnet_pfld.evaluators.runtime import landmarker as landmarker
