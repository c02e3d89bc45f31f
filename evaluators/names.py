"""Names of the files that a training writes into its folder, and how a pretrained network is named in their place."""

BEST = "checkpoint_best.pth"
"""Weights of the best epoch; of a search, of the last."""

LAST = "last.ckpt"
"""State after the latest epoch, from which a training goes on."""

PRETRAINED = "pretrained:"
"""Beginning of a pretrained network's name, where a checkpoint's path may stand as well."""
