"""Evidence for the search: a supernet's scores compared with subnets trained from scratch."""
