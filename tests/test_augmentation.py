"""What augmentation promises: labels keep their meaning, limits hold, and the seed decides."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from inkdigits.augmentation import Augmentation, augment, strengths
from inkdigits.errors import RecipeError

EVERYTHING = Augmentation(rotation=12, shift=2, scale=0.12, shear=10, elastic=1, thickness=1)


def changed(images: np.ndarray, options: Augmentation, seed: int = 0) -> np.ndarray:
    return np.array(augment(keras.ops.convert_to_tensor(images), options, keras.random.SeedGenerator(seed)))


def blobs(count: int = 64, center: tuple[float, float] = (13.5, 13.5), radius: float = 4.0) -> np.ndarray:
    """`count` times the same soft disc: (count, 28, 28) float32 in [0, 1]."""
    y, x = np.mgrid[:28, :28]
    distance = np.hypot(y - center[0], x - center[1])
    return np.repeat(np.clip(radius + 0.5 - distance, 0, 1)[None], count, axis=0).astype(np.float32)


def centers(images: np.ndarray) -> np.ndarray:
    """The center of mass of each image's ink: (N, 2), rows and columns."""
    grid = np.arange(28)
    ink = images.sum(axis=(1, 2))
    return np.stack([(images.sum(axis=2) * grid).sum(axis=1) / ink, (images.sum(axis=1) * grid).sum(axis=1) / ink], 1)


def test_no_limits_change_nothing() -> None:
    images = np.random.default_rng(0).random((5, 28, 28), np.float32)
    np.testing.assert_array_equal(changed(images, Augmentation()), images)


@pytest.mark.parametrize(
    "options",
    [{"rotation": 20}, {"shift": 3}, {"scale": 0.3}, {"shear": 20}, {"elastic": 2}, {"thickness": 2}, "all"],
    ids=str,
)
def test_changes_each_image_differently_and_stays_ink(options: dict[str, Any] | str) -> None:
    images = blobs(16, center=(10.0, 15.0))
    result = changed(images, EVERYTHING if isinstance(options, str) else Augmentation(**options))
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1
    assert len(np.unique(result.reshape(16, -1), axis=0)) == 16
    assert (result.sum(axis=(1, 2)) > 0).all(), "no digit is wiped out"


def test_the_seed_decides_and_moves_on() -> None:
    images = blobs(8)
    np.testing.assert_array_equal(changed(images, EVERYTHING, 1), changed(images, EVERYTHING, 1))
    assert not np.array_equal(changed(images, EVERYTHING, 1), changed(images, EVERYTHING, 2))
    generator = keras.random.SeedGenerator(1)
    tensor = keras.ops.convert_to_tensor(images)
    first, second = (np.array(augment(tensor, EVERYTHING, generator)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_shift_moves_both_ways_up_to_its_limit() -> None:
    moved = centers(changed(blobs(400), Augmentation(shift=3))) - 13.5
    assert (np.abs(moved) <= 3.01).all()
    assert (moved.max(axis=0) > 2.5).all()
    assert (moved.min(axis=0) < -2.5).all()


def test_rotation_turns_about_the_middle_up_to_its_limit() -> None:
    moved = centers(changed(blobs(400, center=(5.5, 13.5), radius=2), Augmentation(rotation=30))) - 13.5
    angles = np.degrees(np.arctan2(moved[:, 1], -moved[:, 0]))
    np.testing.assert_allclose(np.hypot(*moved.T), 8, atol=0.1)
    assert 27 < angles.max() <= 30.5
    assert -30.5 <= angles.min() < -27


def test_scale_grows_and_shrinks_each_axis() -> None:
    result = changed(blobs(400, radius=6), Augmentation(scale=0.25))
    height, width = (result.max(axis=axis).sum(axis=1) / 12.5 for axis in (2, 1))
    for size in (height, width):
        assert 1.15 < size.max() < 1.27
        assert 0.76 < size.min() < 0.87
    assert np.abs(np.corrcoef(height, width)[0, 1]) < 0.2


def test_shear_slants_about_the_middle() -> None:
    upright = np.zeros((400, 28, 28), np.float32)
    upright[:, 4:24, 13:15] = 1
    moved = (
        centers(np.where(np.arange(28)[None, :, None] < 8, changed(upright, Augmentation(shear=20)), 0))[:, 1] - 13.5
    )
    # Rows 4 to 7 lie 8 above the middle: tan(20 degrees) * 8 = 2.9 pixels.
    assert 2.4 < moved.max() < 3.0
    assert -3.0 < moved.min() < -2.4


def test_elastic_pushes_by_its_standard_deviation_smoothly() -> None:
    from inkdigits.augmentation import _field

    push = np.array(_field(300, Augmentation(elastic=1.5, elastic_smoothness=5), keras.random.SeedGenerator(3)))
    assert push.shape == (2, 300, 28, 28)
    assert np.isclose(push.std(), 1.5, rtol=0.03)
    np.testing.assert_allclose(push.std(axis=(0, 1)), 1.5, rtol=0.2)  # the same at the border as in the middle
    neighbors = np.corrcoef(push[0, :, 10, 10], push[0, :, 10, 11])[0, 1]
    far = np.corrcoef(push[0, :, 10, 4], push[0, :, 10, 24])[0, 1]
    assert neighbors > 0.95
    assert abs(far) < 0.2


def test_thickness_widens_by_its_limit_and_narrows_by_half() -> None:
    bar = np.zeros((400, 28, 28), np.float32)
    bar[:, :, 11:17] = 1  # 6 pixels wide; columns only, so that rows show the width
    widths = changed(bar, Augmentation(thickness=1.5))[:, 14, :].sum(axis=1)
    assert 8.7 < widths.max() <= 9.01  # 6 + 2 * 1.5
    assert 4.49 <= widths.min() < 4.7  # 6 - 2 * 0.75


def test_narrowing_keeps_a_hairline_readable() -> None:
    line = np.zeros((100, 28, 28), np.float32)
    line[:, 4:24, 14] = 0.8
    result = changed(line, Augmentation(thickness=1.0))
    assert (result.max(axis=(1, 2)) > 0.7).all()


def test_ink_pushed_over_the_border_is_lost_not_wrapped() -> None:
    edge = np.zeros((200, 28, 28), np.float32)
    edge[:, :, 25:] = 1
    result = changed(edge, Augmentation(shift=8))
    assert result[:, :, :16].max() == 0


def test_strength_scales_every_change_down_to_none() -> None:
    def by(strength: float) -> np.ndarray:
        return np.array(
            augment(keras.ops.convert_to_tensor(blobs(64)), EVERYTHING, keras.random.SeedGenerator(4), strength)
        )

    np.testing.assert_allclose(by(0.0), blobs(64), atol=1e-5)
    np.testing.assert_array_equal(by(1.0), changed(blobs(64), EVERYTHING, 4))
    slightly, wholly = (np.abs(by(strength) - blobs(64)).mean() for strength in (0.2, 1.0))
    assert 0 < slightly < wholly / 3


def test_changes_ease_over_the_last_steps() -> None:
    assert (strengths(Augmentation(), 50) == 1).all()
    eased = strengths(Augmentation(ease=0.2), 100)
    assert (eased[:80] == 1).all()
    assert (np.diff(eased[80:]) < 0).all()
    assert 0 < eased[-1] < 0.03
    np.testing.assert_allclose(strengths(Augmentation(ease=1), 4), [0.875, 0.625, 0.375, 0.125])


def test_works_inside_a_graph() -> None:
    import tensorflow as tf

    generator = keras.random.SeedGenerator(7)
    inside = tf.function(lambda images, strength: augment(images, EVERYTHING, generator, strength))
    result = np.array(inside(tf.constant(blobs(4)), tf.constant(0.5)))
    eager = augment(tf.constant(blobs(4)), EVERYTHING, keras.random.SeedGenerator(7), 0.5)
    np.testing.assert_allclose(result, eager, atol=1e-4)
    assert np.abs(result - changed(blobs(4), EVERYTHING, 7)).max() > 0.1


@pytest.mark.parametrize(
    "options", [{"rotation": 90}, {"shift": -1}, {"elastic": float("nan")}, {"thickness": "thick"}]
)
def test_refuses_impossible_limits(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"augmentation.{next(iter(options))}"):
        Augmentation(**options)
