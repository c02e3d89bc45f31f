"""Latency tables: load, query, save, and make them from a fitted model of the Snapdragon 625."""

from .fit import DEVICE as MODELLED_DEVICE
from .modelled import table_signatures, whole_network_us
from .shipped import fit_table
from .table import TABLES, Cost, LookupTable
from .validate import report

__all__ = ["MODELLED_DEVICE", "TABLES", "Cost", "LookupTable", "fit_table", "report", "table_signatures", "whole_network_us"]
