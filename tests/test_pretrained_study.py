"""Making the pretrained networks: choices within budgets, resuming, ratings against brute force, the card."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_blobs

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, layout_of
from fbnet_pfld.evaluators.data.layouts import facts_of
from fbnet_pfld.experiments.pipeline.command import run
from fbnet_pfld.experiments.studies.pretrained import __main__ as study
from fbnet_pfld.experiments.studies.pretrained import make_pretrained
from fbnet_pfld.experiments.studies.pretrained.card_table import between, write_card
from fbnet_pfld.experiments.studies.pretrained.make_pretrained import choices_of, config_of, make
from fbnet_pfld.experiments.studies.pretrained.rate_pretrained import as_layout, points_of, rate
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, InputError, SpaceSpec

PFLD = SpaceSpec.load("pfld")
TABLE = LookupTable.load("snapdragon625-4t")
BLOCKS = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")


def subnet(first):
    return TABLE.annotate(Architecture.from_blocks(PFLD, 106, 112, (first, *BLOCKS[1:])))


def test_the_search_spends_all_epochs_on_weights():
    for epochs in (1, 4, 15, 60):
        config = config_of(epochs, 3)
        assert config.search.total_epochs == epochs
        assert config.search.lengths["logits"] == 0
        assert config.space == "pfld-wide"
        assert config.finetune.epochs == 3


def test_choices_are_the_best_within_each_budget(tmp_path, monkeypatch):
    front = {}
    for name, block, nme in (("a", "gh_k3", 9.0), ("b", "mb_k3_res", 8.0), ("c", "mb_k5_e2_res", 7.0)):
        front[name] = subnet(block)
        front[name].save(tmp_path / f"front/{name}.json")
        front[name] = front[name].us, nme
    rows = [{"us": us, "nme": nme, "file": f"front/{name}.json"} for name, (us, nme) in front.items()]
    pd.DataFrame(rows).to_csv(tmp_path / "pareto.csv", index=False)
    (a, _), (b, _), (c, _) = front.values()
    assert a < b < c
    for budgets in [(a - 1, a, b - 1, b), (b + 1, c, c + 100)]:
        monkeypatch.setattr(make_pretrained, "BUDGETS_US", budgets)
        # brute force: the lowest NME of all subnets within a budget
        within = [[(nme, us) for us, nme in front.values() if us <= budget] for budget in budgets]
        wanted = list(dict.fromkeys(min(each)[1] for each in within if each))
        assert [architecture.us for architecture in choices_of(tmp_path)] == wanted


def test_68_of_106_points_are_those_of_the_same_meaning():
    points = torch.arange(2 * 106 * 2.0).view(2, 106, 2)
    few = as_layout(points, 68)
    assert torch.equal(as_layout(points, 106), points)
    # the mirrored face's points are the mirrored points, in both layouts; corners of the eyes are corners
    flip106, flip68 = facts_of(106)["flip"], facts_of(68)["flip"]
    assert torch.equal(as_layout(points[:, flip106], 68), few[:, flip68])
    for corner68, corner106 in zip(layout_of(68).eye_corners, layout_of(106).eye_corners, strict=True):
        assert torch.equal(few[:, corner68], points[:, corner106])


@pytest.fixture
def rated(tmp_path):
    """Two subnets, and three small data sets; the photographs have the points of the same meaning."""
    torch.manual_seed(0)
    for name, block, nme in (("front-0001", "mb_k5_res", 5.0), ("front-0002", "gh_k3", 6.0)):
        chosen = subnet(block)
        Checkpoint.of(chosen.build(), chosen, {"val_nme": nme}).half().save(tmp_path / f"out/{name}.pth")
    folders = {name: tmp_path / name for name in ("synthetic", "rendered")}
    for folder in folders.values():
        write_blobs(folder, 2, 9)
    folders["photos"] = write_blobs(tmp_path / "photos", 2, 5, points=68)
    return tmp_path / "out", folders


def test_ratings_are_those_of_the_networks(rated):
    folder, data = rated
    table = rate(folder, **data)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "figures.csv"), table.reset_index(drop=True))
    assert list(table.name) == ["front-0002", "front-0001"]  # fastest first
    for row in table.to_dict("records"):
        model = Checkpoint.load(folder / f"{row['name']}.pth").build()
        dataset = LandmarkDataset(data["rendered"], "test")
        assert row["rendered_nme"] == pytest.approx(evaluate(model, dataset)["nme"], abs=1e-3)
        # photographs, computed by hand face by face
        photos = LandmarkDataset(data["photos"], "test", 68)
        predicted = points_of(model, photos.images).numpy()[:, facts_of(68)["to_106"]]
        true = photos.points.numpy()
        errors = [
            np.linalg.norm(p - t, axis=1).mean() / np.linalg.norm(t[36] - t[45]) for p, t in zip(predicted, true, strict=True)
        ]
        assert row["photos_nme"] == pytest.approx(100 * np.mean(errors), abs=1e-3)
        assert row["photos_fr8"] == pytest.approx(100 * np.mean(np.array(errors) > 0.08), abs=1e-3)


def test_no_networks_no_ratings(tmp_path):
    with pytest.raises(InputError, match=r"no front-\*.pth; run the make command first"):
        rate(tmp_path, tmp_path, tmp_path, tmp_path)


def test_the_card_has_the_figures_of_the_files(rated):
    folder, data = rated
    subnets = {name: {"parameters": 12345, "macs": 2.5e6, "cpu_seconds": 60.0} for name in ("front-0001", "front-0002")}
    (folder / "figures.json").write_text(json.dumps({"subnets": subnets, "supernet": {"cpu_seconds": 600.0}}))
    config = config_of(15, 4)
    settings = {
        "faces": {"train": 1234, "test": 56, "size": 112, "seed": 7},
        "space": "pfld-wide",
        "seed": 7,
        "search": config.search.record(),
        "finetune": config.finetune.model_dump(mode="json"),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "card.md").write_text(
        "# Card\n<!-- figures -->\nold\n<!-- /figures -->\n<!-- training -->\n<!-- /training -->\nend\n"
    )
    with pytest.raises(InputError, match="figures.csv not found; run the rate command first"):
        write_card(folder)
    table = rate(folder, **data)
    card = write_card(folder)
    assert (folder / "card.md").read_text() == card == write_card(folder)  # the second time changes nothing
    assert card.startswith("# Card\n<!-- figures -->\n| name |")
    assert card.endswith("<!-- /training -->\nend\n")
    assert "old" not in card
    for row in table.to_dict("records"):
        (line,) = [line for line in card.splitlines() if f"`{row['name']}`" in line]
        assert f"{row['photos_nme']:.2f} / {row['photos_fr8']:.1f} |" in line
        assert f"| {row['us']:,.0f} | 12,345 | 2.50 |" in line
    for text in (
        "1,234 for training",
        "teacher 3, distillation 1, sandwich 11, logits 0",
        "10 CPU minutes",
        "2 CPU minutes for all 2",
    ):
        assert text in card
    with pytest.raises(InputError, match="no part <!-- figures -->"):
        between("# Card\n", "figures", "text\n", Path("card.md"))


@pytest.mark.slow
def test_networks_are_made_once_and_go_on_where_they_were_stopped(few_blobs, tmp_path, monkeypatch):
    """Existing faces are used, and finished steps are skipped."""
    rendered = {"train": 32, "test": 500, "size": 112, "seed": 0}
    (few_blobs / "synthetic.json").write_text(json.dumps(rendered))
    config = config_of(4, 1).override({"space": "pfld", "search__front": 6, "search__val_fraction": 0.25}, "test")
    config = config.override({"search__batch_size": 8, "finetune__batch_size": 8}, "test")
    monkeypatch.setattr(make_pretrained, "BUDGETS_US", (1e9,))
    searches, finetunings = [], []
    search, finetune = make_pretrained.search_supernet, make_pretrained.finetune_network

    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(make_pretrained, "search_supernet", lambda *a, **k: searches.append(1) or search(*a, **k))
    monkeypatch.setattr(make_pretrained, "finetune_network", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(config, few_blobs, tmp_path / "out", 32, 0)
    first = (tmp_path / "out/supernet.pth").read_bytes()
    monkeypatch.setattr(make_pretrained, "finetune_network", lambda *a, **k: finetunings.append(1) or finetune(*a, **k))
    figures = make(config, few_blobs, tmp_path / "out", 32, 0)
    assert make(config, few_blobs, tmp_path / "out", 32, 0) == figures
    assert (len(searches), len(finetunings)) == (1, 1)
    assert (tmp_path / "out/supernet.pth").read_bytes() == first
    assert json.loads((tmp_path / "out/figures.json").read_text()) == figures
    # the files match the recorded figures
    ((name, row),) = figures["subnets"].items()
    made = Checkpoint.load(tmp_path / f"out/{name}.pth")
    assert " ".join(made.architecture().choices.values()) == row["blocks"]
    assert made.architecture().us == row["us"]
    assert name == f"front-{round(row['us'], -1):04.0f}"
    trained = Checkpoint.load(tmp_path / f"out/work/{name}/checkpoint_best.pth")
    assert made.weights["points.0.bias"].equal(trained.weights["points.0.bias"])
    assert Checkpoint.load(tmp_path / "out/supernet.pth").supernet().spec.name == "pfld"
    # other numbers of epochs need another folder
    with pytest.raises(InputError, match="holds networks with another finetune"):
        make(config.override({"finetune__epochs": 2}, "test"), few_blobs, tmp_path / "out", 32, 0)
    with pytest.raises(InputError, match="holds faces with another train"):
        make(config, few_blobs, tmp_path / "other", 33, 0)
    assert not (tmp_path / "other").exists()


def test_the_command_makes_what_its_options_say(tmp_path, monkeypatch, capsys):
    given = []
    monkeypatch.setattr(study, "make_networks", lambda *arguments: given.append(arguments) or {"subnets": {}})
    options = ["make", "--out", "o", "--data", "d", "--faces", "300", "--epochs", "12", "--finetune-epochs", "5", "--seed", "3"]
    monkeypatch.setattr("sys.argv", ["study", *options])
    with pytest.raises(SystemExit) as end:
        run(study.app)
    assert not end.value.code
    assert given == [(config_of(12, 5), Path("d"), Path("o"), 300, 3)]
    assert json.loads(capsys.readouterr().out) == {"subnets": {}}
    # the default is the package's own networks
    assert (study.SHIPPED / "supernet.pth").is_file()
    assert (study.SHIPPED / "card.md").is_file()
