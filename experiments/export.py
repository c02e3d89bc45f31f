"""``fbnet-pfld export``: a checkpoint as files for devices, and a report on them."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ..evaluators import BEST, Checkpoint, LandmarkDataset, check_size, predict, score
from ..evaluators.int8 import train_for_int8
from ..latency import LookupTable, processor
from ..search_space import BASELINES, Architecture, InputError
from ..search_space.inputs import atomic_path
from .config import Config
from .deploy.assess import Deployed, assess
from .deploy.formats import FORMATS, Source, chosen_formats, make_files
from .deploy.onnx_file import OPSET
from .deploy.report import as_data, as_table, report_picture
from .options import DATA_ROOT, OUTPUT, SNAPSHOT, SUBNET, ConfigFile, DataRoot, Json, Lut, Points, Seed, console, finish
from .progress import TrainingProgress, count_bar
from .report import Candidate, check_finite

BASELINE = "pfld_lite"
EXAMPLES = 8
"""Test faces on which a file is compared with torch as soon as it is made; later it is on all of them."""
CALIBRATION = 256
"""Training faces that show an INT8 network its ranges, spread over the list."""


class Exporter:
    """Makes files of networks, measures them, and writes those of one network with a report.

    Parameters
    ----------
    config
        Points, input size, eye corners and latency table.
    data_root
        Its training faces calibrate INT8 files, its test faces measure all.
    formats
        Names in ``FORMATS``.
    int8_epochs
        Of finetuning with INT8 rounding, for the INT8 files of what is exported; none by default.

    Raises
    ------
    InputError
        If data or table are not as they must be.
    """

    def __init__(self, config: Config, data_root: Path, formats: Sequence[str] = ("onnx",), opset: int = OPSET,
                 dynamic_batch: bool = False, int8_epochs: int = 0, threads: int = 1, seed: int = 0):
        self.config, self.formats, self.opset, self.dynamic_batch = config, formats, opset, dynamic_batch
        self.int8_epochs, self.threads, self.seed, self.data_root = int8_epochs, threads, seed, data_root
        self.table = LookupTable.load(config.lut)
        self.test = LandmarkDataset(data_root, "test", config.points, config.input_size)
        self.calibration = None
        if any(FORMATS[form].of for form in formats):
            self.calibration = LandmarkDataset(data_root, "train", config.points, config.input_size, CALIBRATION).images

    def export(self, checkpoint: Path, output: Path, baseline: Path | None) -> tuple[dict[str, Any], Table]:
        """Write a checkpoint's network, ``report.json`` and ``report.png``: all of them, or after a fault none.

        Parameters
        ----------
        output
            The ONNX file; other files go beside it.
        baseline
            Checkpoint of the network to compare with; without one, an untrained ``PfldLite`` is timed.

        Returns
        -------
        tuple
            The report as data, and as a table for the screen.

        Raises
        ------
        InputError
            If a network or the output is not as it must be; older files stay as they were then.
        """
        if output.suffix != FORMATS["onnx"].suffix:
            raise InputError(f"--output {output}: no name of an ONNX file; allowed: a name that ends with .onnx")
        loaded = self._loaded(checkpoint)
        other = None if baseline is None else self._loaded(baseline)
        exported, compared = _name(loaded, output.stem), BASELINE if other is None else _name(other, "baseline")
        try:
            with tempfile.TemporaryDirectory() as folder:
                networks = {exported: self._deployed(loaded, checkpoint, Path(folder) / "a", self.int8_epochs)}
                if compared != exported:
                    place = Path(folder) / "b"
                    networks[compared] = self._untrained(place) if other is None else self._deployed(other, baseline, place)
                found = assess(networks, compared, self.test, self.table, self.threads, self.config.eye_corners, _track)
                data = as_data(found, exported, compared) | self._conditions()
                targets = {form: output.with_suffix(FORMATS[form].suffix) for form in self.formats}
                report = output.parent / "report.json"
                data["written"] = {form: str(path) for form, path in targets.items()}
                picture = Path(folder) / "report.png"
                report_picture(picture, found)
                contents = {path: networks[exported].files[form].read_bytes() for form, path in targets.items()}
                _publish(contents | {report: (json.dumps(data, indent=1) + "\n").encode(),
                                     report.with_suffix(".png"): picture.read_bytes()})
        except OSError as error:  # of the temporary folder
            raise InputError(f"cannot write {error.filename or 'temporary files'}: {error.strerror}") from None
        return data, as_table(found, self.table, self.threads)

    def _loaded(self, path: Path) -> Checkpoint:
        loaded = Checkpoint.load(path)
        loaded.check_points(self.config.points, path)
        check_size(loaded.input_size, self.config.input_size, path)
        return loaded

    def _deployed(self, loaded: Checkpoint, where: Path, folder: Path, int8_epochs: int = 0) -> Deployed:
        model = loaded.build(where)
        architecture = loaded.architecture(where) if loaded.kind == "subnet" else None
        points = check_finite(predict(model, self.test), str(where))
        nme = score(points, self.test.points, self.config.eye_corners)["nme"]
        fp32 = int8 = self._source(model, loaded.network, folder, nme)
        if int8_epochs and any(FORMATS[form].of for form in self.formats):
            data = LandmarkDataset(self.data_root, "train", loaded.num_points, loaded.input_size)
            best = train_for_int8(loaded.build(where), architecture or loaded.network, data, folder / "int8", int8_epochs,
                                  self.seed, [TrainingProgress("INT8")], self.config.eye_corners)
            int8 = self._source(best.build(where), loaded.network, folder / "int8", nme)
        return Deployed(Candidate(model, architecture), _made(self.formats, fp32, int8))

    def _untrained(self, folder: Path) -> Deployed:
        model = BASELINES[BASELINE](self.config.points, self.config.input_size).eval()
        source = self._source(model, BASELINE, folder, None)
        return Deployed(Candidate(model), _made(self.formats, source, source), trained=False)

    def _source(self, model: Any, network: Any, folder: Path, nme: float | None) -> Source:
        folder.mkdir(parents=True, exist_ok=True)
        metadata = {"network": json.dumps(network), "num_points": str(self.config.points),
                    "input_size": str(self.config.input_size), "colour_order": "BGR", "input_range": "0..1",
                    "output": "x0 y0 x1 y1 ..., in parts of the crop's side", "test_nme": f"{nme:.4f} %, fp32" if nme else "",
                    "producer": f"fbnet-pfld {version('fbnet-pfld')}"}
        return Source(model, self.test.images[:EXAMPLES].float() / 255, metadata, folder, self.calibration, self.opset,
                      self.dynamic_batch)

    def _conditions(self) -> dict[str, Any]:
        device, clock = processor()
        return {"data": str(self.data_root), "faces": len(self.test),
                "calibration_faces": 0 if self.calibration is None else len(self.calibration), "int8_epochs": self.int8_epochs,
                "seed": self.seed, "device": device, "clock_ghz": clock, "threads": self.threads, "table": self.table.name,
                "table_method": self.table.method}


def _name(loaded: Checkpoint, otherwise: str) -> str:
    return loaded.network if loaded.kind == "baseline" else otherwise


def _made(formats: Sequence[str], fp32: Source, int8: Source) -> dict[str, Path]:
    with count_bar(console) as progress:
        return make_files(progress.track(formats, description="files"), fp32, int8)


def _track(sessions: range) -> Iterator[int]:
    with count_bar(console) as progress:
        yield from progress.track(sessions, description="timings")


def _publish(contents: dict[Path, bytes]) -> None:
    """Write files, of which none gets its name before all are complete."""
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)


def default_baseline(config: Config) -> Path | None:
    """The baseline that finetune has trained, if it fits the configured points and size."""
    path = SNAPSHOT / BASELINE / BEST
    if not path.is_file():
        return None
    loaded = Checkpoint.load(path)
    return path if (loaded.num_points, loaded.input_size) == (config.points, config.input_size) else None


SourceFile = Annotated[Path, typer.Option("--resume", help="Checkpoint to export.")]
Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file that the checkpoint must be of.")]
Target = Annotated[Path, typer.Option("--output", "--onnx-path", "--onnx_path",
                                     help="The ONNX file; other files and report.json, report.png go beside it.")]
Formats = Annotated[str, typer.Option("--formats", help=f"Of {', '.join(FORMATS)}; separated by commas.")]
Baseline = Annotated[Path | None, typer.Option(
    "--baseline", help=f"Checkpoint of the network to compare with; by default {SNAPSHOT / BASELINE / BEST}, or an untrained "
                       f"{BASELINE}, which is timed only.")]
Opset = Annotated[int, typer.Option("--opset", help="Version of the ONNX operators.")]
Dynamic = Annotated[bool, typer.Option("--dynamic-batch", "--dynamic_batch",
                                       help="Let ONNX files take any number of images at once.")]
Int8Epochs = Annotated[int, typer.Option("--int8-epochs", "--int8_epochs", min=0,
                                         help="Finetune so long with INT8 rounding, for the INT8 files.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Of the engines, when files are timed.")]


def export(resume: SourceFile = SUBNET, data_root: DataRoot = DATA_ROOT, output: Target = OUTPUT / "subnet.onnx",
           formats: Formats = "onnx", arch: Arch = None, baseline: Baseline = None, opset: Opset = OPSET,
           dynamic_batch: Dynamic = False, int8_epochs: Int8Epochs = 0, threads: Threads = 1, config: ConfigFile = None,
           points: Points = None, lut: Lut = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Write a checkpoint as files for devices, each run on the test set by its own engine and timed beside a baseline.

    BatchNorms are folded, denormal weights zeroed. INT8 formats bring the fp32 file that they are compared with.
    """
    chosen = chosen_formats(formats)
    loaded = Checkpoint.load(resume)
    loaded.check_points(points or loaded.num_points, resume)
    if arch is not None:
        loaded.check_architecture(Architecture.load(arch), resume)
    settings = Config.load(config, lut=lut, points=loaded.num_points, input_size=loaded.input_size)
    exporter = Exporter(settings, data_root, chosen, opset, dynamic_batch, int8_epochs, threads, seed)
    data, table = exporter.export(resume, output, baseline or default_baseline(settings))
    for aim in data["aims"]:
        if not aim["reached"]:
            console.print(f"{aim['format']}: {aim['aim']} is not reached: {aim['figure']:.3g}{aim['remedy']}", highlight=False,
                          soft_wrap=True)
    finish(data, as_json, table)
