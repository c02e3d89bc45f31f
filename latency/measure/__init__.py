"""Tables from whole subnets timed on this machine or on a phone."""
