"""Makes the files of a network, measures them beside a baseline's, and writes them with a report."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table
from torch import nn

from ...evaluators import Checkpoint, LandmarkDataset, check_size, predict, score, train_for_int8
from ...latency import LookupTable, pinned, processor
from ...search_space import BASELINES, Architecture, InputError
from ...search_space.inputs import atomic_path, check_writable
from ..architectures import RECALIBRATION_FACES, as_it_is
from ..config import Config
from ..options import console
from ..progress import TrainingProgress, counted
from ..report import Candidate, check_finite
from .assess import Deployed, assess
from .formats import FORMATS, Source, make_files
from .onnx_file import OPSET
from .report import as_data, as_table, report_picture

BASELINE = "pfld_lite"
CHECKPOINT = ".pth"
"""Suffix of the checkpoint of a subnet that is exported with a supernet's weights."""
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
        with pinned(threads):  # are there so many cores?
            self.table = LookupTable.load(config.lut)
        self.test = LandmarkDataset(data_root, "test", config.points, config.input_size)
        self.calibration = None
        if any(FORMATS[form].of for form in formats):
            self.calibration = LandmarkDataset(data_root, "train", config.points, config.input_size, CALIBRATION).images

    def export(self, checkpoint: Path, output: Path, baseline: Path | None,
               subnet: Architecture | None = None) -> tuple[dict[str, Any], Table]:
        """Write a checkpoint's network, ``report.json`` and ``report.png``: all of them, or after a fault none.

        Parameters
        ----------
        output
            The ONNX file; other files go beside it.
        baseline
            Checkpoint of the network to compare with; without one, an untrained ``PfldLite`` is timed.
        subnet
            What to export if ``checkpoint`` is a supernet: a subnet with its weights. The subnet's own checkpoint, of suffix
            .pth, is one of the files then.

        Returns
        -------
        tuple
            The report as data, and as a table for the screen. Of a ``subnet`` the report has three entries more:
            ``checkpoint``, its file; ``supernet``; and ``batch_norm_faces``, of which its BatchNorm statistics are.

        Raises
        ------
        InputError
            If a network or the output is not as it must be; older files stay as they were then.
        ResultError
            If an fp32 file does not give torch's outputs; older files stay as they were then.
        """
        if output.suffix != FORMATS["onnx"].suffix:
            raise InputError(f"--output {output}: the name of the ONNX file must end with .onnx")
        targets = {form: output.with_suffix(FORMATS[form].suffix) for form in self.formats}
        report = output.parent / "report.json"
        own = None if subnet is None else output.with_suffix(CHECKPOINT)
        for path in (*targets.values(), report, report.with_suffix(".png"), *([own] if own else [])):
            check_writable(path)
        if own is not None and own.resolve() in [path.resolve() for path in (checkpoint, baseline) if path is not None]:
            raise InputError(f"--output {output}: the subnet's checkpoint would replace {own}, an input; choose another name")
        loaded, origin = (self._loaded(checkpoint), {}) if own is None else self._inherited(subnet, checkpoint, own)
        other = None if baseline is None else self._loaded(baseline)
        exported = loaded.network if loaded.kind == "baseline" else output.stem
        itself = exported == loaded.network == BASELINE if baseline is None else \
            own is None and baseline.resolve() == checkpoint.resolve()
        compared = exported if itself else f"{_kind(other)} (baseline)"
        try:
            with tempfile.TemporaryDirectory() as folder:
                networks = {exported: self._deployed(loaded, checkpoint, f"{checkpoint} for {output}", Path(folder) / "a",
                                                     self.int8_epochs)}
                if not itself:
                    place = Path(folder) / "b"
                    networks[compared] = self._untrained(place) if other is None else self._deployed(
                        other, baseline, f"--baseline {baseline}", place)
                found = assess(networks, compared, self.test, self.table, self.threads, self.config.eye_corners, _timed)
                data = as_data(found, exported, compared) | self._conditions() | origin
                data["written"] = {form: str(path) for form, path in targets.items()}
                picture = Path(folder) / "report.png"
                report_picture(picture, found)
                contents = {path: networks[exported].files[form].read_bytes() for form, path in targets.items()}
                if own is not None:
                    loaded.save(Path(folder) / own.name)
                    contents[own] = (Path(folder) / own.name).read_bytes()
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

    def _inherited(self, subnet: Architecture, supernet: Path, own: Path) -> tuple[Checkpoint, dict[str, Any]]:
        """Checkpoint of a subnet with a supernet's weights, and what the report says of where it comes from."""
        faces = LandmarkDataset(self.data_root, "train", self.config.points, self.config.input_size, RECALIBRATION_FACES)
        model = as_it_is(subnet, Checkpoint.load(supernet), supernet, faces)
        origin = {"checkpoint": str(own), "supernet": str(supernet), "batch_norm_faces": len(faces)}
        return Checkpoint.of(model, subnet, {}), origin

    def _deployed(self, loaded: Checkpoint, where: Path, name: str, folder: Path, int8_epochs: int = 0) -> Deployed:
        model = loaded.build(where)
        architecture = loaded.architecture(where) if loaded.kind == "subnet" else None
        fp32 = int8 = self._source(model, name, loaded.network, folder, self._nme(model, where))
        if int8_epochs and any(FORMATS[form].of for form in self.formats):
            data = LandmarkDataset(self.data_root, "train", loaded.num_points, loaded.input_size)
            best = train_for_int8(loaded.build(where), architecture or loaded.network, data, folder / "int8", int8_epochs,
                                  self.seed, [TrainingProgress("INT8")], self.config.eye_corners).build(where)
            int8 = self._source(best, name, loaded.network, folder / "int8", self._nme(best, where))
        return Deployed(Candidate(model, architecture), _made(self.formats, fp32, int8), name)

    def _untrained(self, folder: Path) -> Deployed:
        model = BASELINES[BASELINE](self.config.points, self.config.input_size).eval()
        name = f"untrained {BASELINE}"
        source = self._source(model, name, BASELINE, folder, None)
        return Deployed(Candidate(model), _made(self.formats, source, source), name, trained=False)

    def _nme(self, model: nn.Module, where: Path) -> float:
        points = check_finite(predict(model, self.test), str(where))
        return score(points, self.test.points, self.config.eye_corners)["nme"]

    def _source(self, model: nn.Module, name: str, network: dict[str, Any] | str, folder: Path, nme: float | None) -> Source:
        folder.mkdir(parents=True, exist_ok=True)
        metadata = {"network": json.dumps(network), "num_points": str(self.config.points),
                    "input_size": str(self.config.input_size), "colour_order": "BGR", "input_range": "0..1",
                    "output": "x0 y0 x1 y1 ..., in parts of the crop's side",
                    "test_nme": "" if nme is None else f"{nme:.4f} % in fp32",
                    "producer": f"fbnet-pfld {version('fbnet-pfld')}"}
        return Source(model, self.test.images[:EXAMPLES].float() / 255, metadata, folder, self.calibration, self.opset,
                      self.dynamic_batch, name)

    def _conditions(self) -> dict[str, Any]:
        device, clock = processor()
        return {"data": str(self.data_root), "faces": len(self.test),
                "calibration_faces": 0 if self.calibration is None else len(self.calibration), "int8_epochs": self.int8_epochs,
                "seed": self.seed, "device": device, "clock_ghz": clock, "threads": self.threads, "table": self.table.name,
                "table_method": self.table.method}


def _kind(loaded: Checkpoint | None) -> str:
    return BASELINE if loaded is None else loaded.network if loaded.kind == "baseline" else loaded.kind


def _made(formats: Sequence[str], fp32: Source, int8: Source) -> dict[str, Path]:
    return make_files(counted(formats, "files", console), fp32, int8)


def _timed(sessions: range) -> Iterator[int]:
    return counted(sessions, "timings", console)


def _publish(contents: dict[Path, bytes]) -> None:
    """Write files, of which none gets its name before all are complete."""
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
