"""The engines' own Arm code on an emulated core: what it executes, and what it computes."""
