"""Export of trained networks to files for devices, and assessment of the files."""
