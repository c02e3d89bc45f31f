"""A latency table for another engine or precision than the network's is refused before any work."""

import pytest

from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.search_space import InputError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("deploy: {precision: int8}", "table snapdragon625-4t is for precision fp32, but deploy.precision is int8"),
        ("deploy: {engine: MNN}", "table snapdragon625-4t is for engine ncnn, but deploy.engine is MNN; give a table for MNN"),
        ("lut: snapdragon625-int8-1t\ndeploy: {precision: fp32}", "is for precision int8, but deploy.precision is fp32"),
        ("deploy: {precision: fp16}", "deploy.precision"),
    ],
)
def test_another_table_is_refused(tmp_path, text, words):
    (tmp_path / "own.yaml").write_text(text + "\n")
    with pytest.raises(InputError, match="own.yaml: ") as fault:
        Config.load(tmp_path / "own.yaml")
    assert words in str(fault.value)


def test_a_table_that_fits_is_taken(tmp_path):
    (tmp_path / "own.yaml").write_text("lut: snapdragon625-int8-4t\ndeploy: {engine: ncnn, precision: int8}\n")
    assert Config.load(tmp_path / "own.yaml").lut == "snapdragon625-int8-4t"


def test_a_command_with_another_table_is_refused(tmp_path, monkeypatch, run, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("deploy: {precision: fp32}\n")
    assert run("search", "--config", "own.yaml", "--lut", "snapdragon625-int8-4t", "--data-root", "none") == 2
    assert "deploy.precision is fp32" in capfd.readouterr().err
