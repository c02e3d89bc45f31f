"""Silence messages of libraries, except warnings about real problems."""

import logging
import os
import warnings


def quieten() -> None:
    """Silence OpenCV, NNI and Lightning; call this before they are imported. It imports none of them."""
    # NNI checks every name in torch.nn at import, and warns about two of newer torch releases
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module.*", category=RuntimeWarning)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    # in trainings of several processes: depthwise weights, whose two memory layouts are the same
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    for name in ("pytorch_lightning", "nni"):
        _silence(name)
    # the caller reports files that OpenCV and its FFmpeg cannot read
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class _ErrorsOnly(logging.Logger):
    """Logger whose level cannot be set below ERROR."""

    def setLevel(self, level: int | str) -> None:  # noqa: N802, logging's name
        super().setLevel(level)
        if self.level < logging.ERROR:
            super().setLevel(logging.ERROR)


def _silence(name: str) -> None:
    """Limit a library's logger to errors, even if the library sets its level later, at import."""
    before = logging.getLoggerClass()
    logging.setLoggerClass(_ErrorsOnly)
    logging.getLogger(name).setLevel(logging.ERROR)
    logging.setLoggerClass(before)
