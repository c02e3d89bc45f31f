"""Latency tables: load, query, save, and make them from a fitted model of the Snapdragon 625."""

from .modelled import table_signatures, whole_network_us
from .shipped import fit_table
from .table import TABLES, Cost, LookupTable
from .validate import report

__all__ = ["TABLES", "Cost", "LookupTable", "fit_table", "report", "table_signatures", "whole_network_us"]
