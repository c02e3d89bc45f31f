"""Train networks with Lightning, and save and load their checkpoints."""
