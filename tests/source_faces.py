"""Tiny data sets in the published formats, written by hand, with faces that are views of the average head."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.evaluators.data.prepare.layouts3d import average_head
from fbnet_pfld.evaluators.data.synthetic.landmarks import FACTS
from fbnet_pfld.evaluators.data.synthetic.render import pose_rotation

SIDE = 96
PEOPLE = ("ann_0", "ann_1", "bob_0", "cleo_0", "dan_0", "dan_1")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder; of a link, where it leads."""
    return {
        str(path.relative_to(folder)): bytes(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def view(num_points: int, seed: int = 0, centre=(48.0, 50.0), extent: float = 60.0) -> np.ndarray:
    """Points (P, 2) in pixels, rounded as a file has them."""
    pose = np.random.default_rng(seed).uniform(-20, 20, 3)
    flat = (average_head(num_points) @ pose_rotation(pose).T)[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    return np.round((flat - (low + high) / 2) * extent / (high - low).max() + centre, 3)


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def lines(points) -> str:
    return "\n".join(f"{x} {y}" for x, y in points)


def pts(points) -> str:
    return f"version: 1\nn_points: {len(points)}\n{{\n{lines(points)}\n}}\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def ibug(root: Path, names) -> Path:
    for seed, name in enumerate(names):
        picture(root / f"{name}.png", seed)
        write(root / f"{name}.pts", pts(view(68, seed)))
    return root


def row(*values) -> str:
    return " ".join(str(value) for value in np.concatenate([np.ravel(value) for value in values]))


BOX = (15, 15, 80, 85)


def wflw(root: Path, train=("a", "b", "c"), test=("d",)) -> Path:
    for split, names in (("train", train), ("test", test)):
        text = ""
        for seed, name in enumerate(names):
            picture(root / "WFLW_images" / "0--Parade" / f"{name}.jpg", seed)
            text += f"{row(view(98, seed))} {row(BOX)} 0 0 1 0 0 0 0--Parade/{name}.jpg\n"
        write(root / "WFLW_annotations" / "lists" / f"list_98pt_rect_attr_{split}.txt", text)
    return root


def lapa(root: Path, names=(("train", "a_0"), ("val", "b_0"), ("test", "c_0"))) -> Path:
    for seed, (split, name) in enumerate(names):
        picture(root / split / "images" / f"{name}.jpg", seed)
        write(root / split / "landmarks" / f"{name}.txt", f"106\n{lines(in_jd_order(view(106, seed)))}\n")
    return root


def jd106(root: Path, names=("AFW_1_1_0", "AFW_1_1_3", "LFPW_2_1_0")) -> Path:
    for seed, name in enumerate(names):
        picture(root / "picture" / f"{name}.jpg", seed)
        write(root / "landmark" / f"{name}.jpg.txt", f"106\n{lines(in_jd_order(view(106, seed)))}\n")
        write(root / "rect" / f"{name}.jpg.rect", row(BOX))
    return root


def bbox106(root: Path, names=("a", "b", "c")) -> Path:
    text = ""
    for seed, name in enumerate(names):
        picture(root / "imgs" / f"{name}.jpg", seed)
        text += f"{name}.jpg {row(BOX, view(106, seed))}\n"
    write(root / "bbox_landmark.txt", text)
    return root


def pfld98(root: Path, train=("0_a_0", "0_a_1", "1_b_0"), test=("0_c_0",)) -> Path:
    """As the PFLD repositories write it: points in parts of the crop, attributes, angles, and paths of another machine."""
    for split, names in (("train_data", train), ("test_data", test)):
        text = ""
        for seed, name in enumerate(names):
            picture(root / split / "imgs" / f"{name}.png", seed)
            text += f"./data/{split}/imgs/{name}.png {row(view(98, seed) / SIDE)} 0 1 0 0 0 1 1.5 -20.25 3.0\n"
        write(root / split / "list.txt", text)
    return root


def pixels(num_points: int, root: Path, names=("a", "b", "c")) -> Path:
    text = ""
    for seed, name in enumerate(names):
        picture(root / "imgs" / f"{name}.jpg", seed)
        text += f"imgs/{name}.jpg {row(view(num_points, seed))}\n"
    write(root / "list.txt", text)
    return root


pixels68, pixels98, pixels106 = (partial(pixels, count) for count in (68, 98, 106))


def make(src: Path, out: Path, workers: int = 1, **options) -> dict:
    """Prepare a source of ibug, by default with 40 % for testing."""
    return prepare(src, out, PrepareOptions(**{"format": "ibug", "test_fraction": 0.4, **options}), workers)


def names(out: Path, split: str) -> list[str]:
    """File names of a prepared set's crops, without number and suffix."""
    listing = (out / f"{split}_data" / "list.txt").read_text().splitlines()
    return [Path(line.split()[0]).stem.split("_", 1)[1] for line in listing]


def in_jd_order(points: np.ndarray) -> np.ndarray:
    return points[FACTS["JD_to_106"]]
