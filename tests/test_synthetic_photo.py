"""Photographs of synthetic scenes: each effect compared with a closed form or a manual computation."""

import cv2
import numpy as np
import pytest

from fbnet_pfld.evaluators.data.synthetic.photo import Photo, photograph, random_photo

SIZE = 64


def taken(image, seed=0, **changes):
    return photograph(image, Photo(**changes), np.random.default_rng(seed)).astype(int)


@pytest.fixture(name="scene")
def _scene():
    return np.random.default_rng(1).integers(40, 200, (SIZE, SIZE, 3), dtype=np.uint8)


def test_a_clear_photograph_is_the_scene(scene):
    assert np.array_equal(taken(scene), scene)


def test_tones(scene):
    flat = np.full((SIZE, SIZE, 3), 64, np.uint8)
    assert (taken(flat, contrast=0.5) == 96).all()
    assert (taken(flat, brightness=20.0) == 84).all()
    assert (taken(flat, gamma=0.5) == round(255 * (64 / 255) ** 0.5)).all()
    assert (np.ptp(taken(scene, saturation=0.0), axis=2) <= 1).all()
    blue, green, red = taken(flat, cast=(1.25, 1.0, 0.75))[0, 0]
    assert (blue, green, red) == (128 - 80, 64, 128 - 48)


def test_a_shadow_darkens_the_side_that_its_angle_points_to():
    flat = np.full((SIZE, SIZE, 3), 200, np.uint8)
    picture = taken(flat, shade=0.5, shade_at=(0.25, 0.5), shade_turn=0.0)[..., 0]
    assert (picture[:, :12] == 200).all()
    assert (picture[:, 20:] == 100).all()
    upper = taken(flat, shade=0.5, shade_turn=-np.pi / 2)[..., 0]
    assert (upper[0] == 100).all()
    assert (upper[-1] == 200).all()


def test_uneven_light_is_smooth_and_as_strong_as_asked():
    flat = np.full((SIZE, SIZE, 3), 90, np.uint8)
    logs = np.stack([np.log(taken(flat, seed, uneven=0.2) / 90) for seed in range(40)])
    assert 0.12 < logs.std() < 0.25
    assert np.abs(np.diff(logs, axis=1)).max() < 0.15


def test_movement_smears_along_its_direction_alone():
    point = np.zeros((SIZE, SIZE, 3), np.uint8)
    point[32, 32] = 240
    for turn, axis in ((0.0, 1), (np.pi / 2, 0)):
        smeared = taken(point, motion=0.125, motion_turn=turn)[..., 0]
        rows, columns = np.nonzero(smeared)
        assert np.ptp((rows, columns)[axis]) == 8
        assert np.ptp((rows, columns)[1 - axis]) == 0
        assert abs(smeared.sum() - 240) < 10


def test_low_detail_and_compression_lose_what_they_should(scene):
    fine = np.zeros((SIZE, SIZE, 3), np.uint8)
    fine[:, ::2] = 200
    assert taken(fine).std() > 4 * taken(fine, detail=0.5).std()
    file = cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    assert np.array_equal(taken(scene, quality=30), cv2.imdecode(file, cv2.IMREAD_COLOR))


def test_random_photographs_differ_and_repeat():
    first, again = (random_photo(np.random.default_rng(5)) for _ in range(2))
    assert repr(first) == repr(again)
    photos = [random_photo(np.random.default_rng(seed)) for seed in range(200)]
    assert 0.3 < np.mean([photo.detail < 1 for photo in photos]) < 0.6
    assert np.std([photo.gamma for photo in photos]) > 0.1
    assert min(photo.quality for photo in photos) < 40
