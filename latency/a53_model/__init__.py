"""The model of layers behind the shipped tables, its data and its validation."""
