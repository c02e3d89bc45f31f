"""Latency tables: load, query and save them; make them from a model, an emulated core, this machine or a phone.

Names are imported on first use; ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
