"""Number of labelled faces that pretrained weights save: photographs with 68 points, from scratch and from a checkpoint."""
