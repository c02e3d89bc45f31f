"""Convert networks to the files of inference engines; run and time them."""
