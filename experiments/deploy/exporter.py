"""Make the files of a network, measure them beside a baseline's, and write them with a report."""

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from ...evaluators import Checkpoint, FaceData, as_it_is, check_size, predict, score, train_for_int8
from ...evaluators.training.recalibrate import RECALIBRATION_FACES
from ...latency import LookupTable, files_of, pinned, processor
from ...search_space import BASELINES, Architecture
from ...search_space.errors import InputError
from ...search_space.files import atomic_path, check_writable
from ...search_space.progress import Track, silent
from .assess import Assessment, Deployed, assess
from .candidate import TrainedNetwork, check_finite
from .export_report import as_data, report_figure
from .file_formats import FORMATS, Source, make_files
from .on_arm import arm_data, check_arm, check_on_arm
from .onnx_file import OPSET, described

BASELINE = "pfld_lite"
"""Default baseline that networks are compared with."""

CHECKPOINT = ".pth"
"""Suffix of the checkpoint of a subnet that is exported with a supernet's weights."""

EXAMPLES = 8
"""Test faces on which a new file is compared with torch; it is compared on all test faces later."""

CALIBRATION = 256
"""Training faces that calibrate an INT8 network, spread over the list."""


class Exporter:
    """Make files of networks, measure them, and write those of one network with a report.

    Parameters
    ----------
    faces
        Data set: training faces calibrate INT8 files, test faces measure all files.
    lut
        Latency table for the report.
    eye_corners
        Outer eye corners, for a landmark layout that is not built in.
    formats
        Names in ``FORMATS``.
    opset, dynamic_batch
        Opset version of ONNX files, and whether they accept any batch size.
    int8_epochs
        Epochs of finetuning with INT8 rounding for the exported network's INT8 files; none by default.
    threads
        Threads per engine in the timing.
    track, callbacks
        Show the progress of making and timing files, and of the finetuning with INT8 rounding.
    arm_faces
        Number of test faces for MNN and ncnn files on an emulated Cortex-A53; none by default.

    Raises
    ------
    InputError
        If the data or the table cannot be used, or the machine has fewer cores than ``threads``; with ``arm_faces``, also if
        the emulator is incomplete or no format runs on it.
    """

    def __init__(
        self,
        faces: FaceData,
        lut: str,
        eye_corners: tuple[int, int] | None = None,
        formats: Sequence[str] = ("onnx",),
        opset: int = OPSET,
        dynamic_batch: bool = False,
        int8_epochs: int = 0,
        threads: int = 1,
        seed: int = 0,
        track: Track = silent,
        callbacks: Callable[[], list[pl.Callback]] = list,
        arm_faces: int = 0,
    ):
        self.faces, self.eye_corners, self.formats, self.opset = faces, eye_corners, formats, opset
        self.dynamic_batch, self.int8_epochs, self.threads, self.seed = dynamic_batch, int8_epochs, threads, seed
        self.track, self.callbacks, self.arm_faces = track, callbacks, arm_faces
        if arm_faces:
            check_arm({form: Path(FORMATS[form].suffix) for form in formats})
        with pinned(threads):  # check that there are enough cores
            self.table = LookupTable.load(lut)
        self.test = faces.test
        quantised = any(FORMATS[form].of for form in formats)
        self.calibration = faces.some("train", CALIBRATION).images if quantised else None

    def export(
        self, checkpoint: Path, output: Path, baseline: Path | None, subnet: Architecture | None = None
    ) -> tuple[dict[str, Any], Assessment]:
        """Write the files of a checkpoint's network, ``report.json`` and ``report.png``; after an error, write none of them.

        Parameters
        ----------
        output
            The ONNX file; other files are written beside it.
        baseline
            Checkpoint of the network to compare with; if None, an untrained ``PfldLite`` is timed.
        subnet
            Subnet to export with the weights of ``checkpoint``, which is then a supernet. The subnet's own checkpoint, a .pth
            file, is then also written.

        Returns
        -------
        tuple
            The report as data, and the assessment that it is made from. For a ``subnet``, the report has three more entries:
            ``checkpoint``, its file; ``supernet``; and ``batch_norm_faces``, the number of faces of its BatchNorm statistics.

        Raises
        ------
        InputError
            If a network or the output is invalid; existing files are unchanged.
        ResultError
            If an fp32 file does not reproduce torch's outputs; existing files are unchanged.
        """
        if output.suffix != FORMATS["onnx"].suffix:
            raise InputError(f"--out {output}: the name of the ONNX file must end with .onnx")
        # check that all files can be written, before any work
        targets = {form: output.with_suffix(FORMATS[form].suffix) for form in self.formats}
        everything = [path for target in targets.values() for path in files_of(target)]
        report = output.parent / "report.json"
        own = output.with_suffix(CHECKPOINT)
        for path in (*everything, report, report.with_suffix(".png"), *([] if subnet is None else [own])):
            check_writable(path)
        if subnet is not None and own.resolve() in [path.resolve() for path in (checkpoint, baseline) if path is not None]:
            raise InputError(f"--out {output}: the subnet's checkpoint would replace {own}, an input; choose another name")
        # load the network and its baseline, which may be the network itself
        origin: dict[str, Any] = {}
        if subnet is None:
            loaded = self._loaded(checkpoint)
        else:
            loaded, origin = self._inherited(subnet, checkpoint, own)
        other = None if baseline is None else self._loaded(baseline)
        exported = str(loaded.network) if loaded.kind == "baseline" else output.stem
        if baseline is None:
            itself = exported == loaded.network == BASELINE
        else:
            itself = subnet is None and baseline.resolve() == checkpoint.resolve()
        compared = exported if itself else f"{_kind(other)} (baseline)"
        try:
            with tempfile.TemporaryDirectory() as folder:
                # make the files of both
                networks = {
                    exported: self._deployed(
                        loaded, checkpoint, f"{checkpoint} for {output}", Path(folder) / "a", self.int8_epochs
                    )
                }
                if not itself:
                    place = Path(folder) / "b"
                    if other is None or baseline is None:
                        networks[compared] = self._untrained(place)
                    else:
                        networks[compared] = self._deployed(other, baseline, f"--baseline {baseline}", place)
                # measure and report them
                found = assess(networks, compared, self.test, self.table, self.threads, self.eye_corners, self.track)
                data = as_data(found, exported, compared) | self._conditions() | origin
                if self.arm_faces:
                    data["arm"] = self._on_arm(networks[exported])
                data["written"] = {form: str(path) for form, path in targets.items()}
                picture = Path(folder) / "report.png"
                report_figure(picture, found)
                # publish everything at once
                made = [path for form in targets for path in files_of(networks[exported].files[form])]
                contents = {path: file.read_bytes() for path, file in zip(everything, made, strict=True)}
                if subnet is not None:
                    loaded.save(Path(folder) / own.name)
                    contents[own] = (Path(folder) / own.name).read_bytes()
                _publish(
                    contents
                    | {report: (json.dumps(data, indent=1) + "\n").encode(), report.with_suffix(".png"): picture.read_bytes()}
                )
        except OSError as error:  # of the temporary folder
            raise InputError(f"cannot write {error.filename or 'temporary files'}: {error.strerror}") from None
        return data, found

    def _loaded(self, path: Path) -> Checkpoint:
        loaded = Checkpoint.load(path)
        loaded.check_points(self.faces.points)
        check_size(loaded, self.faces.input_size)
        return loaded

    def _inherited(self, subnet: Architecture, supernet: Path, own: Path) -> tuple[Checkpoint, dict[str, Any]]:
        """Return the checkpoint of a subnet with a supernet's weights, and the report's entries on its origin."""
        faces = self.faces.some("train", RECALIBRATION_FACES)
        model = as_it_is(subnet, Checkpoint.load(supernet), faces)
        origin = {"checkpoint": str(own), "supernet": str(supernet), "batch_norm_faces": len(faces)}
        return Checkpoint.of(model, subnet, {}), origin

    def _deployed(self, loaded: Checkpoint, where: Path, name: str, folder: Path, int8_epochs: int = 0) -> Deployed:
        model = loaded.build()
        architecture = loaded.architecture() if loaded.kind == "subnet" else None
        fp32 = int8 = self._source(model, name, loaded.network, folder, self._nme(model, where))
        if int8_epochs and any(FORMATS[form].of for form in self.formats):
            best = train_for_int8(
                loaded.build(),
                architecture or str(loaded.network),
                self.faces.train,
                folder / "int8",
                int8_epochs,
                self.seed,
                self.callbacks(),
                self.eye_corners,
            ).build()
            int8 = self._source(best, name, loaded.network, folder / "int8", self._nme(best, where))
        return Deployed(TrainedNetwork(model, architecture), self._made(fp32, int8), name)

    def _untrained(self, folder: Path) -> Deployed:
        model = BASELINES[BASELINE](self.faces.points, self.faces.input_size).eval()
        name = f"untrained {BASELINE}"
        source = self._source(model, name, BASELINE, folder, None)
        return Deployed(TrainedNetwork(model), self._made(source, source), name, trained=False)

    def _nme(self, model: nn.Module, where: Path) -> float:
        points = check_finite(predict(model, self.test), str(where))
        return score(points, self.test.points, self.eye_corners)["nme"]

    def _source(self, model: nn.Module, name: str, network: dict[str, Any] | str, folder: Path, nme: float | None) -> Source:
        folder.mkdir(parents=True, exist_ok=True)
        metadata = described(network, self.faces.points, self.faces.input_size)
        metadata["test_nme"] = "" if nme is None else f"{nme:.4f} % in fp32"
        return Source(
            model,
            self.test.images[:EXAMPLES].float() / 255,
            metadata,
            folder,
            self.calibration,
            self.opset,
            self.dynamic_batch,
            name,
        )

    def _made(self, fp32: Source, int8: Source) -> dict[str, Path]:
        return make_files(self.track(self.formats, "files"), fp32, int8)

    def _on_arm(self, deployed: Deployed) -> dict[str, Any]:
        test = self.faces.some("test", self.arm_faces)
        rows = check_on_arm(deployed.files, test, deployed.candidate.predict(test), self.eye_corners, self.track)
        return arm_data(rows, len(test))

    def _conditions(self) -> dict[str, Any]:
        device, clock = processor()
        return {
            "data": str(self.faces.root),
            "faces": len(self.test),
            "calibration_faces": 0 if self.calibration is None else len(self.calibration),
            "int8_epochs": self.int8_epochs,
            "seed": self.seed,
            "device": device,
            "clock_ghz": clock,
            "threads": self.threads,
            "table": self.table.name,
            "table_method": self.table.method,
        }


def _kind(loaded: Checkpoint | None) -> str:
    """Return the kind of a network: a baseline's name, or ``subnet``."""
    if loaded is None:
        return BASELINE
    return str(loaded.network) if loaded.kind == "baseline" else loaded.kind


def _publish(contents: dict[Path, bytes]) -> None:
    """Write files; none gets its name before all are complete."""
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
