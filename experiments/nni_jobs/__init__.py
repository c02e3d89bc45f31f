"""Experiments of many trials that NNI runs and shows."""
