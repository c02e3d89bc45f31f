"""Rebuild the shipped latency tables: counts of networks with published figures, and tables of all registered blocks."""
