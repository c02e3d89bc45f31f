"""The pretrained networks: the commands that make, rate and describe them."""
