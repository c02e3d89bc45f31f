"""The shipped tables: their content, and their agreement with the model of counts on other counted subnets."""

import numpy as np
import pandas as pd
import pytest
from emulated_core import needs_emulator
from shipped_counts import SUBNETS, recorded_subnets

from fbnet_pfld.experiments.pipeline.measurement import quantiser, write_subnet
from fbnet_pfld.latency import TABLES, EmulatedCore, LookupTable, network_name, table_signatures
from fbnet_pfld.latency.a53_counts.board_fit import board_fit
from fbnet_pfld.search_space import BASELINES, SpaceSpec
from fbnet_pfld.search_space.spec import built_in


def precision_and_threads(name):
    return ("int8" if "int8" in name else "fp32"), int(name[-2])


def test_there_is_a_table_for_each_precision_and_number_of_threads():
    assert TABLES == ("snapdragon625-1t", "snapdragon625-4t", "snapdragon625-int8-1t", "snapdragon625-int8-4t")
    for name in TABLES:
        table = LookupTable.load(name)
        assert (table.precision, table.threads) == precision_and_threads(name)
        assert (table.name, table.method, table.clock_ghz, table.unit) == (name, "emulated", 2.0, "us")
        assert table.engine.startswith("ncnn ")
        assert "not measured on this chip" in table.uncertainty


@pytest.mark.parametrize("name", TABLES)
def test_every_registered_block_has_a_row_in_every_position(name):
    table = LookupTable.load(name)
    wanted = {key for space in built_in() for key in table_signatures(SpaceSpec.load(space))}
    assert table.rows.keys() == wanted
    for key, us in table.rows.items():
        identity = key.op == "skip" and key.stride == 1 and key.in_channels == key.out_channels
        assert us == 0 if identity else us > 0, key
    assert set(table.uncertainty_percent) == {key.op for key, us in table.rows.items() if us}
    assert table.networks_us.keys() == {network_name(each, points, 112) for each in BASELINES for points in (68, 98, 106)}


def test_four_threads_are_faster_and_not_by_more_than_four_times():
    for precision in ("", "int8-"):
        one, four = (LookupTable.load(f"snapdragon625-{precision}{threads}t") for threads in (1, 4))
        for name, us in one.networks_us.items():
            assert 1 < us / four.networks_us[name] < 4
        assert 1 < sum(one.rows.values()) / sum(four.rows.values()) < 4


@pytest.mark.parametrize("name", TABLES)
def test_rows_add_up_to_what_the_model_says_of_counted_subnets(name):
    """Subnets that were not used for any row; their counts are recorded."""
    table, model = LookupTable.load(name), board_fit()
    precision, threads = precision_and_threads(name)
    errors = []
    for subnet, counts in recorded_subnets(precision, threads):
        errors.append(table.latency_us(subnet) / model.us(counts, threads) - 1)
    assert len(errors) == len(SUBNETS)
    assert np.abs(errors).mean() < 0.03
    assert np.abs(errors).max() < 0.08


@needs_emulator
@pytest.mark.slow
def test_recorded_counts_are_counted_again(tmp_path):
    """One subnet, at both precisions. Addresses, and so cache misses, differ a little from machine to machine."""
    subnet = SUBNETS[0]
    write_subnet(subnet, tmp_path / "net.onnx")
    for precision in ("fp32", "int8"):
        with EmulatedCore("ncnn", 4, 112, precision=precision, quantise=quantiser("ncnn", 112)) as core:
            again = core.count(core.file(tmp_path / "net.onnx"))
        (known,) = [counts for each, counts in recorded_subnets(precision, 4) if each is subnet]
        assert len(again.parts) == len(known.parts)
        assert again.instructions == pytest.approx(known.instructions, rel=1e-3)
        pd.testing.assert_series_equal(again.frame().sum(), known.frame().sum(), rtol=0.05)
        assert board_fit().us(again, 4) == pytest.approx(board_fit().us(known, 4), rel=0.02)
