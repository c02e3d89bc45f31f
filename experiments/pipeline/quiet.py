"""Keep libraries' chatter off the screen; their warnings about real trouble stay."""

import logging
import os
import warnings


def quieten() -> None:
    """Call before OpenCV, NNI and Lightning are imported; none of them is loaded by this."""
    # NNI checks every name in torch.nn when it is imported and is surprised by two that newer releases have
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module.*", category=RuntimeWarning)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    # weights whose two layouts in memory are the same, of depthwise convolutions, in trainings of several processes
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    for name in ("pytorch_lightning", "nni"):
        _silence(name)
    # what OpenCV and its FFmpeg cannot read is told by whoever asked for it
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class _ErrorsOnly(logging.Logger):
    """A logger whose level nobody sets below that of errors."""

    def setLevel(self, level: int | str) -> None:  # noqa: N802, logging's name
        super().setLevel(level)
        if self.level < logging.ERROR:
            super().setLevel(logging.ERROR)


def _silence(name: str) -> None:
    """Keep the logger of a library at its errors, also if the library sets its level later, when it is imported."""
    before = logging.getLoggerClass()
    logging.setLoggerClass(_ErrorsOnly)
    logging.getLogger(name).setLevel(logging.ERROR)
    logging.setLoggerClass(before)
