"""Studies behind the figures and tables of the documentation."""
