"""Variants that test each decision of the space: one network, changed in one respect, at equal latency and training."""
