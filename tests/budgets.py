"""Latencies of the space ``pfld`` by its default table, for tests of budgets and of what messages say of them."""

from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import SpaceSpec
from fbnet_pfld.strategies import cost_range

FASTEST_US, SLOWEST_US = cost_range(LookupTable.load("snapdragon625-4t").cost(SpaceSpec.load("pfld").layout(106, 112)))
HARDLY_ANY_US = int(FASTEST_US) + 10
"""A budget that only the fastest subnets keep."""
