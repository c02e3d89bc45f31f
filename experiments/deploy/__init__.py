"""From a trained network to files for devices, and what they are worth."""
