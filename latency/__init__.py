"""Latency tables: load, query, save; make them from a model, an emulated core, this machine or a phone; correct and compare.

Names are imported when they are first used; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
