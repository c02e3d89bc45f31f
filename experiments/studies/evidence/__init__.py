"""Does the search work? Subnets trained from scratch, against what a supernet says about them."""
