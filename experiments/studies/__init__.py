"""Studies whose results the README quotes."""
