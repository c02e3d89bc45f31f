"""Landmark data sets: reading, augmenting, preparing and rendering them."""
