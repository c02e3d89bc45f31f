"""Run the engines' own Arm code on an emulated core: counts and outputs."""
