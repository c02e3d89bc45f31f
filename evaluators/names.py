"""Names of the files that a training writes into its folder."""

BEST = "checkpoint_best.pth"
"""Weights of the best epoch; of a search, of the last."""

LAST = "last.ckpt"
"""State after the latest epoch, from which a training goes on."""
