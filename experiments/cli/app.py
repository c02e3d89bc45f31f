"""The ``fbnet-pfld`` command."""

from ..pipeline.command import SEED, App, run
from ..pipeline.quiet import quieten
from . import data, latency, launch, trial
from .benchmark_models import benchmark_models
from .demo import demo
from .evaluate import evaluate
from .export import export
from .finetune import finetune
from .from_experiment import from_experiment
from .live_page import live_page
from .options import SNAPSHOT
from .pareto import pareto
from .predict import predict
from .search import search

app = App(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search, finetune and export face-landmark networks within a device's latency budget.",
)
app.add(search, "fbnet-pfld search --data-root data/106points --target-us 2000", aliases=SNAPSHOT)
app.add(pareto, "fbnet-pfld pareto --data-root data/106points --lut my_phone.csv", aliases={"--output": "--out"})
app.add(finetune, "fbnet-pfld finetune --data-root data/106points --epochs 10", aliases=SNAPSHOT)
app.add(
    evaluate,
    "fbnet-pfld evaluate --checkpoint ckpt_save/subnet/checkpoint_best.pth --checkpoint output/subnet.onnx",
    aliases=SEED | {"--resume": "--checkpoint", "--plot": "--out"},
)
app.add(
    export,
    "fbnet-pfld export --formats onnx,mnn,int8-mnn",
    aliases={"--resume": "--checkpoint", "--output": "--out", "--onnx-path": "--out"},
)
app.add(
    benchmark_models, "fbnet-pfld benchmark-models output/subnet.onnx output/subnet.mnn", name="benchmark-models", aliases=SEED
)
app.add(predict, "fbnet-pfld predict photo.jpg --max-us 1200", aliases=SEED)
app.add(live_page, "fbnet-pfld app", name="app")
app.add(demo, "fbnet-pfld demo", aliases=SNAPSHOT | {"--output": "--out"})
app.add(
    from_experiment,
    "fbnet-pfld from-experiment EXPERIMENT --max-us 2450",
    name="from-experiment",
    aliases=SEED | {"--output": "--out"},
)
app.add_typer(data.app, name="data", help="Prepare, synthesise and show data sets.")
app.add_typer(launch.app, name="launch", help="Run multi-trial experiments with NNI's web UI.")
app.add_typer(trial.app, name="trial", help="Run one trial of an NNI experiment; NNI calls these commands.")
app.add_typer(latency.app, name="latency", help="Make, show and correct latency tables.")


def main() -> None:
    """Run the ``fbnet-pfld`` command."""
    quieten()
    run(app)
