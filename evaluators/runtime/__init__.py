"""Run an exported network in an app; this needs only numpy, OpenCV and onnxruntime, but no torch."""

from .landmarker import MARGIN, Box, Image, Landmarker, ModelError, Square, cut, matrix_of, square_of, square_of_crop

__all__ = ["MARGIN", "Box", "Image", "Landmarker", "ModelError", "Square", "cut", "matrix_of", "square_of", "square_of_crop"]
