"""Latency tables: load, query, save; make them from a fitted model, from this machine or from a phone; correct and compare."""

from .adb import Adb
from .calibrate import calibrate, read_measured
from .compare import compare
from .convert import annotate_mnn, mnn_version, quantise_mnn, to_mnn
from .design import make_design
from .host import ENGINES, Host, host_latency_us, processor
from .interleave import FEWEST, SESSIONS, Interval, fastest, interleave, interval, pinned, ratio
from .measure import Backend, Timing, measure
from .measured_table import make_table
from .modelled import LANDMARKS, follows_model, table_signatures, whole_network_us
from .nets import METADATA, NETS, OnnxNet, open_net, run_each
from .phone import Phone
from .shipped import fit_table
from .solve import agreement
from .table import TABLES, Cost, LookupTable
from .validate import left_out_networks, report

__all__ = [
    "ENGINES", "FEWEST", "LANDMARKS", "METADATA", "NETS", "SESSIONS", "TABLES", "Adb", "Backend", "Cost", "Host", "Interval",
    "LookupTable", "OnnxNet", "Phone", "Timing", "agreement", "annotate_mnn", "calibrate", "compare", "fastest", "fit_table",
    "follows_model", "host_latency_us", "interleave", "interval", "left_out_networks", "make_design", "make_table", "measure",
    "mnn_version", "open_net", "pinned", "processor", "quantise_mnn", "ratio", "read_measured", "report", "run_each",
    "table_signatures", "to_mnn", "whole_network_us",
]
