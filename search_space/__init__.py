"""Search space: candidate blocks and their registry, the space and its spec, baselines, and the architecture file.

Public names are imported on first use; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
