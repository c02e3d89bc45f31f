"""Accuracy of recipes and of networks: ablations and a comparison, over several seeds. See ``__main__``."""
