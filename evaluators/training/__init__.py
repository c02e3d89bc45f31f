"""Training of networks with Lightning, and their checkpoints."""
