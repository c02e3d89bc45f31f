"""Keep libraries' chatter off the screen; their warnings about real trouble stay."""

import logging
import os
import warnings

import cv2


def quieten() -> None:
    """Call before NNI and Lightning are imported."""
    # NNI checks every name in torch.nn when it is imported and is surprised by two that newer releases have
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module.*", category=RuntimeWarning)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    # weights whose two layouts in memory are the same, of depthwise convolutions, in trainings of several processes
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    import nni  # noqa: F401  both imports set up loggers
    import pytorch_lightning  # noqa: F401

    for name in ("pytorch_lightning", "nni"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # what OpenCV and its FFmpeg cannot read is told by whoever asked for it
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
