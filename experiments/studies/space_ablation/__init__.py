"""What each decision of the space is worth: one network, changed in one respect at a time, at equal latency and training."""
