"""Conversion to engines' files, and running and timing them."""
