"""The cost model of counted runs: cycles of a Cortex-A53 board, fitted to published figures of counted networks."""
