"""Read, augment, prepare and render landmark data sets."""
