"""Makes the shipped latency tables again: counts of networks with published figures, and tables of all registered blocks."""
