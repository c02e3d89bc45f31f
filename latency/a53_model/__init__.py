"""The layer model of Cortex-A53 boards, its data and its validation."""
