"""Multi-trial experiments that NNI runs and shows."""
