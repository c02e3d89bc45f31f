"""What an app needs to use an exported network: no torch, only numpy, OpenCV and onnxruntime."""

from .landmarker import MARGIN, Box, Image, Landmarker, ModelError, Square, cut, matrix_of, square_of, square_of_crop

__all__ = ["MARGIN", "Box", "Image", "Landmarker", "ModelError", "Square", "cut", "matrix_of", "square_of", "square_of_crop"]
