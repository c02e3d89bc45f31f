"""Ablations of the search space's design: a network with one decision changed, at equal latency and training."""
