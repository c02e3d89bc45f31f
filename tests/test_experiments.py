"""The commands' functions on a tiny data set: written files, consistent metrics, reported faults, and nothing overwritten."""

import numpy as np
import pandas as pd
import pytest
import torch
from nni.nas.space import model_context

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, predict
from fbnet_pfld.experiments.deploy.candidate import TrainedNetwork, load_candidate
from fbnet_pfld.experiments.deploy.comparison import compare
from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.pipeline.finetuning import finetune_network
from fbnet_pfld.experiments.pipeline.scoring import Scorer
from fbnet_pfld.experiments.pipeline.supernet_search import History, search_supernet
from fbnet_pfld.latency import LookupTable, open_net, run_each
from fbnet_pfld.search_space import Architecture, InputError, PfldLite, PfldSpace, SpaceSpec
from fbnet_pfld.strategies import STAGES, decode

PFLD = SpaceSpec.load("pfld")
SMALL = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True)))
TINY = {"search__epochs": 2, "search__front": 0, "search__batch_size": 16, "finetune__epochs": 1, "finetune__batch_size": 16}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("c") / "c.pth"
    Checkpoint.of(SMALL.build(), SMALL, {}).save(path)
    return path


def test_config_overrides_and_defaults(tmp_path):
    assert Config.load(None) == Config()
    (tmp_path / "c.yaml").write_text("points: 68\nsearch: {epochs: 9}\n")
    config = Config.load(tmp_path / "c.yaml", search__epochs=7, lut=None)
    assert (config.points, config.search.epochs, config.search.alpha, config.lut) == (68, 7, 0.25, "snapdragon625-4t")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: 1", "unknown key 'colour'; allowed: deploy, eye_corners, finetune, input_size, lut, points, search, space"),
        ("search: {lr: 1}", "unknown key 'search.lr'; allowed: alpha"),
        ("search: {epochs: many}", "search.epochs: input should be a valid integer"),
        (
            "search: {method: reference, epochs: 2, warmup_epochs: 2}",
            "search: warmup_epochs is 2 of 2 epochs; leave some to train the architecture",
        ),
        ("search: {loss: l3}", "search.loss: 'l3' is unknown; allowed: l1, l2, pfld, smooth_l1"),
        ("finetune: {schedule: steps}", "finetune.schedule: 'steps' is unknown; allowed: one_cycle"),
        ("finetune: {augment: heavy}", "finetune.augment: 'heavy' is unknown; allowed: "),
        ("finetune: {precision: 8}", "finetune.precision: input should be '32-true', 'bf16-mixed' or '16-mixed'"),
        ("space: pfld-huge", "space: unknown search space 'pfld-huge'; allowed: pfld, pfld-wide, or a .yaml file"),
        ("space: mine.yaml", "space: search-space spec not found: {folder}/mine.yaml"),
        ("lut: snapdragon", "lut: unknown latency table 'snapdragon'; allowed: "),
        ("lut: mine.csv", "lut: latency table not found: {folder}/mine.csv"),
        ("eye_corners: [3, 3]", "eye_corners: 3, 3 do not fit 106 points"),
        ("points: 40", "points: no eye corners known for 40 points"),
        ("search: {target_us: 2000, mode: add}", "search: mode has no effect together with target_us"),
        ("search: {target_us: 2000, alpha: 0.2}", "search: alpha has no effect together with target_us"),
        ("search: {method: reference, paths: 3}", "search: paths has no effect with method: reference"),
        ("search: {learning_rate: 0.1}", "search: learning_rate has no effect with method: stages"),
        ("search: {epochs: 9, stages: {teacher: 2}}", "search: epochs has no effect together with the length of a stage"),
        ("search: {stages: {sandwhich: 2}}", "unknown key 'search.stages.sandwhich'; allowed: distillation"),
        (
            "search: {stages: {teacher: 0, distillation: 0, sandwich: 0, logits: 0}}",
            "search: all stages have 0 epochs",
        ),
        ("search: {loss: pfld}", "search: loss: pfld is for method: reference; the stages train no pose branch"),
        ("finetune: {distillation: 0.5}", "finetune: distillation has no effect without a teacher"),
        ("# nothing", "contains no settings"),
        ("- a", "not a mapping"),
        ("a: [", "c.yaml:"),
    ],
)
def test_faults_of_a_config_name_file_and_key(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        Config.load(tmp_path / "c.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml: ") or message == "c.yaml:"
    assert message.format(folder=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def small_file(checkpoint):
    path = checkpoint.with_suffix(".onnx")
    write_onnx(Checkpoint.load(checkpoint).build(), path, torch.rand(1, 3, 112, 112))
    return path


def test_comparison_agrees_with_its_parts(blobs, checkpoint, small_file, quick_exports):
    test, table = LandmarkDataset(blobs, "test"), LookupTable.load("snapdragon625-1t")
    candidates = {
        "lite": TrainedNetwork(PfldLite().eval()),
        "subnet": load_candidate(checkpoint, 106, 112),
        "file": load_candidate(small_file, 106, 112),
    }
    (lite, subnet, file), predicted = compare(candidates, test, table)
    assert (subnet.parameters, subnet.macs) == (105_476, 5_830_224)
    assert subnet.table_us == table.latency_us(SMALL)
    assert subnet.nme == pytest.approx(evaluate(candidates["subnet"].model, test)["nme"])
    assert file.nme == pytest.approx(subnet.nme, rel=1e-3)
    assert file.parameters is None
    assert torch.equal(predicted["subnet"], predict(candidates["subnet"].model, test))
    assert np.array_equal(predicted["file"].flatten(1), run_each(open_net(small_file), (test.images.float() / 255).numpy()))
    assert lite.table_us > subnet.table_us
    assert lite.file_bytes > subnet.file_bytes
    mine = table.model_copy(update={"method": "measured", "device": "my phone", "networks_us": {}})
    (lite, subnet), _ = compare({name: candidates[name] for name in ("lite", "subnet")}, test, mine)
    assert lite.table_us is None  # only the rows of that phone are known
    assert subnet.table_us == table.latency_us(SMALL)


def test_a_file_of_other_points_is_refused(small_file):
    with pytest.raises(InputError, match=r"output \(1, 212\); expected .*\(1, 136\), for 68 points"):
        load_candidate(small_file, 68, 112)


def test_a_table_without_a_needed_row_stops_the_search_before_it_writes(blobs, tmp_path):
    table = LookupTable.load("snapdragon625-4t")
    some = next(iter(PfldSpace().signatures()["layer_2"].values()))
    table.model_copy(update={"rows": {k: v for k, v in table.rows.items() if k != some}}).save(tmp_path / "t.csv")
    config = Config.load(None, lut=str(tmp_path / "t.csv"), **TINY)
    with pytest.raises(InputError, match=f"has no row for {some.op} 32->64 stride 2 at 14x14"):
        search_supernet(config, config.faces(blobs), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stages", "reference"])
def test_at_a_target_the_fronts_best_within_it_is_chosen(few_blobs, tmp_path, method):
    config = Config.load(
        None, **{**TINY, "search__epochs": 4, "search__front": 40, "search__target_us": 2300.0, "search__method": method}
    )
    chosen = search_supernet(config, config.faces(few_blobs), tmp_path)
    supernet = Checkpoint.load(tmp_path / "checkpoint_best.pth")
    scorer = Scorer(supernet, config.faces(few_blobs), config, 0, 0, tmp_path / "scores")
    cost = LookupTable.load(config.lut).cost(scorer.space)
    decoded = decode(scorer.logits, cost, 2300.0)
    if method == "reference":
        assert chosen.choices == decoded
        return
    front = pd.read_csv(tmp_path / "pareto.csv")
    assert chosen.metrics["val_nme"] == front[front.us <= 2300].nme.min()
    assert chosen.latency.us <= 2300
    assert chosen.metrics["val_nme"] <= round(scorer.rate(tuple(decoded.values())), 3)
    before = (tmp_path / "architecture.json").read_bytes(), (tmp_path / "pareto.csv").read_bytes()
    search_supernet(config, config.faces(few_blobs), tmp_path, resume="auto")
    assert ((tmp_path / "architecture.json").read_bytes(), (tmp_path / "pareto.csv").read_bytes()) == before


def test_search_then_finetune_leaves_the_documented_files(blobs, tmp_path):
    config = Config.load(None, **{**TINY, "search__front": 12})
    chosen = search_supernet(config, config.faces(blobs), tmp_path / "supernet")
    front = pd.read_csv(tmp_path / "supernet" / "pareto.csv")
    assert len(pd.read_csv(tmp_path / "supernet" / "scores.csv")) in (12, 13)  # with or without the chosen one
    for row in front.to_dict("records"):
        listed = Architecture.load(tmp_path / "supernet" / row["file"])
        assert (listed.latency.us, listed.metrics) == (row["us"], {"val_nme": row["nme"]})
    assert Architecture.load(tmp_path / "supernet" / "architecture.json") == chosen
    assert chosen.latency.us == pytest.approx(LookupTable.load(config.lut).latency_us(chosen), abs=0.1)
    history = pd.read_csv(tmp_path / "supernet" / "history.csv")
    assert list(history["epoch"]) == [0, 1]
    for label in PFLD.labels:
        assert history.filter(like=f"prob/{label}/").sum(axis=1).to_numpy() == pytest.approx(1.0, abs=1e-4)
    supernet = tmp_path / "supernet" / "checkpoint_best.pth"
    best = finetune_network(config, config.faces(blobs), tmp_path / "subnet", chosen, supernet)
    assert Checkpoint.load(tmp_path / "subnet" / "checkpoint_best.pth").architecture() == chosen
    assert best.kind == "subnet"
    _same_subnet(chosen, tmp_path / "supernet" / "architecture.json", tmp_path / "subnet" / "checkpoint_best.pth")
    with pytest.raises(InputError, match=r"last.ckpt: its run has seed 0, this one 1; give the same value"):
        search_supernet(config, config.faces(blobs), tmp_path / "supernet", seed=1, resume="auto")


def _same_subnet(chosen, architecture_file, checkpoint_file):
    """The finetuned checkpoint, NNI's context, the frozen space and the JSON file give one subnet."""
    loaded = Checkpoint.load(checkpoint_file)
    finetuned = loaded.build().eval()
    with model_context(chosen.choices):
        in_context = PfldSpace()
    x = torch.rand(4, 3, 112, 112)
    for other in (in_context, PfldSpace().freeze(chosen.choices), Architecture.load(architecture_file).build()):
        other.load_state_dict(loaded.weights)
        assert torch.allclose(other.eval()(x), finetuned(x), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("target_us", "method"), [(None, "reference"), (2100, "stages")])
def test_a_killed_search_resumes_to_the_same_end(blobs, tmp_path, monkeypatch, target_us, method):
    epochs = {"reference": 3, "stages": None}[method]
    stages = {"stages": dict.fromkeys(STAGES, 1), "reference": None}[method]
    config = Config.load(
        None,
        **{
            **TINY,
            "search__epochs": epochs,
            "search__method": method,
            "search__stages": stages,
            "search__target_us": target_us,
        },
    )
    straight = search_supernet(config, config.faces(blobs), tmp_path / "a")

    class Killed(Exception):
        pass

    def kill_in(epoch):
        def kill(self, trainer, *_):
            if trainer.current_epoch == epoch:
                raise Killed

        return kill

    for epoch in range(config.search.total_epochs):  # in every stage
        with monkeypatch.context() as patch:
            patch.setattr(History, "on_train_batch_end", kill_in(epoch))
            with pytest.raises(Killed):
                search_supernet(config, config.faces(blobs), tmp_path / "b", resume="auto")
    resumed = search_supernet(config, config.faces(blobs), tmp_path / "b", resume="auto")
    assert resumed == straight
    assert (tmp_path / "a" / "history.csv").read_text() == (tmp_path / "b" / "history.csv").read_text()
    first, second = (Checkpoint.load(tmp_path / name / "checkpoint_best.pth").weights for name in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)
