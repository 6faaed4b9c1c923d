"""The renderer against geometry and light written down a second time, in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from examples.scenes.render import (
    BOX,
    CLASSES,
    CONE,
    CYLINDER,
    FLOOR,
    FOCAL,
    HEIGHT,
    SPHERE,
    WALL,
    WIDTH,
    Picture,
    Scene,
    Solid,
    draw_scene,
    render,
    render_many,
)

Points = npt.NDArray[np.float64]

# Rays are float32: directions and distances up to 12 m have a relative error of some 2^-22, and a grazing hit magnifies
# it; half a millimetre covers it with a margin of a hundred.
LENGTH = 5e-4


def scene_with(*solids: Solid, **changes: object) -> Scene:
    scene = Scene(
        solids=solids,
        camera_height=1.6,
        pitch=0.17,
        wall=10.0,
        to_light=(0.36, 0.8, -0.48),
        ambient=0.4,
        floor_colours=((0.7, 0.7, 0.7), (0.7, 0.7, 0.7)),
        tile=1.0,
        wall_colour=(0.8, 0.8, 0.8),
        noise=0.0,
        seed=1,
    )
    return dataclasses.replace(scene, **changes)  # type: ignore[arg-type]


def solid(label: int, place: tuple[float, float] = (0.3, 5.0)) -> Solid:
    half = (0.8, 0.8, 0.8) if label == SPHERE else (0.7, 0.9, 0.5)
    if label in (CYLINDER, CONE):
        half = (0.7, 0.9, 0.7)
    return Solid(label, place, half, 0.5, (0.9, 0.5, 0.3))


def world_points(scene: Scene, picture: Picture) -> Points:
    """The point that each pixel's centre sees [H, W, 3], from its depth along the optical axis."""
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    up, right = (HEIGHT / 2 - row) / FOCAL, (column - WIDTH / 2) / FOCAL
    depth = picture.depth.astype(np.float64)
    cos, sin = np.cos(scene.pitch), np.sin(scene.pitch)
    y = scene.camera_height + depth * (up * cos - sin)
    return np.stack([depth * right, y, depth * (up * sin + cos)], axis=-1)


def surface_distance(body: Solid, points: Points) -> npt.NDArray[np.float64]:
    """How far points are off the body's surface, along its worst constraint; metres."""
    x, y, z = points[..., 0] - body.place[0], points[..., 1], points[..., 2] - body.place[1]
    cos, sin = np.cos(body.yaw), np.sin(body.yaw)
    along, across = cos * x - sin * z, sin * x + cos * z
    if body.label == SPHERE:
        sides = np.sqrt(x**2 + (y - body.half[1]) ** 2 + z**2) - body.half[0]
    elif body.label == BOX:
        sides = np.maximum(np.abs(along) - body.half[0], np.abs(across) - body.half[2])
    else:
        narrowing = 1 - y / (2 * body.half[1]) if body.label == CONE else 1.0
        sides = np.hypot(x, z) - body.half[0] * narrowing
    ends = np.abs(y - body.half[1]) - body.half[1]
    off: npt.NDArray[np.float64] = np.abs(np.maximum(sides, ends))
    return off


def inner(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of the mask whose four neighbours are in it too, so that all their rays meet the same thing."""
    return mask & (sum(np.roll(mask, shift, axis).astype(int) for axis in (0, 1) for shift in (-1, 1)) == 4)


def test_same_seed_gives_same_bytes_and_another_seed_another_scene() -> None:
    first, again, other = (render(draw_scene(seed)) for seed in (7, 7, 8))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes() and first.depth.tobytes() == again.depth.tobytes()
    assert (first.image != other.image).any()


def test_rendering_in_processes_keeps_the_order_of_the_seeds() -> None:
    alone, together = render_many([5, 3], processes=1), render_many([5, 3], processes=2)
    assert (alone.image == together.image).all() and (alone.depth == together.depth).all()
    assert (alone.image[1] == render(draw_scene(3)).image).all()


def test_pictures_have_the_stated_types_and_every_pixel_a_class_and_a_finite_depth() -> None:
    many = render_many(range(12))
    assert many.image.shape == (12, 64, 128, 3) and many.image.dtype == np.uint8
    assert many.labels.shape == (12, 64, 128) and many.labels.dtype == np.uint8
    assert set(np.unique(many.labels)) == set(range(len(CLASSES)))
    # Nothing is nearer than the nearest floor in view less the tallest solid, nor farther than the wall at its tilt.
    assert np.isfinite(many.depth).all() and many.depth.min() > 1.0 and many.depth.max() < 13.0


def test_depth_of_every_sphere_pixel_is_the_analytic_distance() -> None:
    ball = solid(SPHERE)
    scene = scene_with(ball)
    picture = render(scene)
    row, column = np.nonzero(picture.labels == SPHERE)
    assert len(row) > 300
    cos, sin = np.cos(scene.pitch), np.sin(scene.pitch)
    up, right = (HEIGHT / 2 - row - 0.5) / FOCAL, (column + 0.5 - WIDTH / 2) / FOCAL
    rays = np.stack([right, up * cos - sin, up * sin + cos], axis=-1)
    middle = np.array([ball.place[0], ball.half[1] - scene.camera_height, ball.place[1]])
    length = np.linalg.norm(rays, axis=-1)
    nearest = rays @ middle / length
    chord = np.sqrt(np.maximum(ball.half[0] ** 2 - (middle @ middle - nearest**2), 0.0))
    inner = chord > 0.1  # a ray that only grazes the ball has an ill-conditioned distance
    assert inner.mean() > 0.9
    assert np.abs(picture.depth[row, column] - (nearest - chord) / length)[inner].max() < LENGTH


@pytest.mark.parametrize("label", [SPHERE, BOX, CYLINDER, CONE])
def test_points_seen_on_a_solid_lie_on_its_surface(label: int) -> None:
    body = solid(label)
    scene = scene_with(body)
    picture = render(scene)
    seen = world_points(scene, picture)[picture.labels == label]
    assert len(seen) > 200
    assert np.median(surface_distance(body, seen)) < LENGTH / 10
    assert surface_distance(body, seen).max() < 4 * LENGTH  # grazing rays


def test_floor_lies_at_height_zero_and_wall_at_its_distance() -> None:
    scene = scene_with()
    picture = render(scene)
    points = world_points(scene, picture)
    assert np.abs(points[picture.labels == FLOOR][:, 1]).max() < LENGTH
    assert np.abs(points[picture.labels == WALL][:, 2] - scene.wall).max() < LENGTH
    assert (points[..., 1] > -LENGTH).all() and (points[..., 2] < scene.wall + LENGTH).all()


def test_a_nearer_solid_hides_a_farther_one() -> None:
    near, far = solid(BOX, (0.0, 4.0)), solid(SPHERE, (0.0, 7.0))
    alone, both = render(scene_with(near)), render(scene_with(near, far))
    covered = alone.labels == BOX
    assert (both.labels[covered] == BOX).all()
    assert (both.depth[covered] == alone.depth[covered]).all()


def test_floor_in_the_shadow_of_a_sphere_gets_ambient_light_only() -> None:
    ball = solid(SPHERE)
    scene = scene_with(ball)
    picture = render(scene)
    points, light = world_points(scene, picture), np.array(scene.to_light)
    to_middle = np.array([ball.place[0], ball.half[1], ball.place[1]]) - points
    along = to_middle @ light
    off_axis = np.sqrt((to_middle**2).sum(axis=-1) - along**2)
    pure = inner(picture.labels == FLOOR)
    dark = pure & (off_axis < ball.half[0] - 0.15)
    bright = pure & (off_axis > ball.half[0] + 0.15)
    assert dark.sum() > 30 and bright.sum() > 2000
    lit = scene.ambient + (1 - scene.ambient) * light[1]
    assert np.abs(picture.image[dark] / 255.0 - 0.7 * scene.ambient).max() < 1 / 255
    assert np.abs(picture.image[bright] / 255.0 - 0.7 * lit).max() < 1 / 255


def test_lit_side_of_a_sphere_follows_lamberts_law() -> None:
    ball = solid(SPHERE)
    scene = scene_with(ball)
    picture = render(scene)
    points, light = world_points(scene, picture), np.array(scene.to_light)
    normals = (points - np.array([ball.place[0], ball.half[1], ball.place[1]])) / ball.half[0]
    cosine = normals @ light
    lit = inner(picture.labels == SPHERE) & (cosine > 0.5)
    assert lit.sum() > 100
    expected = np.array(ball.colour) * (scene.ambient + (1 - scene.ambient) * cosine[lit][:, None])
    # Four rays a pixel average the cosine over some 5 cm of a ball of 80 cm: most pixels are off by less than a step.
    assert np.median(np.abs(picture.image[lit] / 255.0 - expected)) < 1 / 255
    assert np.abs(picture.image[lit] / 255.0 - expected).max() < 5 / 255  # near the rim


def test_noise_has_the_scenes_strength() -> None:
    clean, noisy = render(scene_with()), render(scene_with(noise=3.0))
    difference = noisy.image.astype(float) - clean.image
    # Rounding adds a variance of 1/12 twice; 24,576 samples give the deviation to within 2 %.
    assert np.std(difference) == pytest.approx(np.sqrt(9 + 1 / 6), rel=0.05)


def test_drawn_solids_stand_apart_in_front_of_the_wall() -> None:
    for seed in range(40):
        scene = draw_scene(seed)
        assert 1 <= len(scene.solids) <= 5
        assert np.linalg.norm(scene.to_light) == pytest.approx(1.0)
        for index, one in enumerate(scene.solids):
            assert one.place[1] + max(one.half[0], one.half[2]) < scene.wall
            for other in scene.solids[:index]:
                gap = np.hypot(one.place[0] - other.place[0], one.place[1] - other.place[1])
                assert gap > max(one.half[0], one.half[2], other.half[0], other.half[2])
