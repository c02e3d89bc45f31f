"""What accuracy a recipe and a network are worth: ablations and a comparison, with seeds and spread. See ``__main__``."""
