"""Labelled faces that pretrained weights save: trainings on photographs with 68 points, from scratch and from a checkpoint."""
