"""Latency tables: load, query, save; make them from a fitted model, from this machine or from a phone; correct and compare."""

from .adb import Adb
from .calibrate import calibrate, read_measured
from .compare import compare
from .design import make_design
from .host import ENGINES, Host, host_latency_us, session
from .measure import Backend, Timing, measure
from .measured_table import make_table
from .modelled import LANDMARKS, follows_model, table_signatures, whole_network_us
from .phone import Phone
from .shipped import fit_table
from .solve import agreement
from .table import TABLES, Cost, LookupTable
from .validate import left_out_networks, report

__all__ = [
    "ENGINES", "LANDMARKS", "TABLES", "Adb", "Backend", "Cost", "Host", "LookupTable", "Phone",
    "Timing", "agreement", "calibrate", "compare", "fit_table", "follows_model", "host_latency_us", "left_out_networks",
    "make_design", "make_table", "measure", "read_measured", "report", "session", "table_signatures", "whole_network_us",
]
