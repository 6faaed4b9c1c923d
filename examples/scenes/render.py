"""Ray-cast scenes with exact ground truth: what the example network is trained and tested on.

A seed becomes a room with a tiled floor, a far wall, a lamp and a few solids; a scene becomes an RGB image with Lambert
shading, cast shadows and sensor noise, a class label a pixel and a depth a pixel. NumPy only; the same seed always
gives the same bytes. The camera looks along +z, x is right, y is up, lengths are metres.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CLASSES = ("floor", "wall", "sphere", "box", "cylinder", "cone")
FLOOR, WALL, SPHERE, BOX, CYLINDER, CONE = range(len(CLASSES))
HEIGHT, WIDTH = 64, 128
FOCAL = 91.0  # pixels: 70 degrees across
PIXEL_SAMPLES = 2  # colour is averaged over 2 x 2 rays a pixel; label and depth belong to the pixel's centre
NEAR = 1e-3  # metres: a shadow ray starts this far off its surface
EDGE = 1e-3  # of a solid's half size: closer than this to a cap is on the cap


@dataclass(frozen=True)
class Solid:
    """A convex solid that stands on the floor: its class, place (x, z), half sizes (x, y, z), turn about y, colour."""

    label: int
    place: tuple[float, float]
    half: tuple[float, float, float]
    yaw: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """Everything that a picture depends on; `to_light` is a unit vector, `pitch` is in radians, down is positive."""

    solids: tuple[Solid, ...]
    camera_height: float
    pitch: float
    wall: float
    to_light: tuple[float, float, float]
    ambient: float
    floor_colours: tuple[tuple[float, float, float], tuple[float, float, float]]
    tile: float
    wall_colour: tuple[float, float, float]
    noise: float
    seed: int


@dataclass(frozen=True)
class Picture:
    """image uint8 [H, W, 3]; labels uint8 [H, W] index CLASSES; depth float32 [H, W], metres along the optical axis."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    depth: Floats


def draw_scene(seed: int) -> Scene:
    """The scene of a seed: two to five solids whose footprints do not overlap, and a lamp behind the camera."""
    rng = np.random.default_rng(seed)
    wall = float(rng.uniform(9.0, 12.0))
    solids: list[Solid] = []
    wanted = int(rng.integers(2, 6))
    for _ in range(40):  # tries: a crowded floor keeps fewer solids than wanted
        if len(solids) == wanted:
            break
        solid = _draw_solid(rng, wall)
        if all(_apart(solid, other) for other in solids):
            solids.append(solid)
    azimuth, elevation = rng.uniform(-1.1, 1.1), rng.uniform(0.5, 1.0)
    to_light = (np.sin(azimuth) * np.cos(elevation), np.sin(elevation), -np.cos(azimuth) * np.cos(elevation))
    floor = _colour(rng, saturation=(0.0, 0.35), value=(0.35, 0.85))
    contrast = float(rng.uniform(0.6, 0.95))
    return Scene(
        solids=tuple(solids),
        camera_height=float(rng.uniform(1.5, 1.7)),
        pitch=float(np.radians(rng.uniform(8.5, 11.5))),
        wall=wall,
        to_light=(float(to_light[0]), float(to_light[1]), float(to_light[2])),
        ambient=float(rng.uniform(0.3, 0.45)),
        floor_colours=(floor, (floor[0] * contrast, floor[1] * contrast, floor[2] * contrast)),
        tile=float(rng.uniform(0.6, 1.2)),
        wall_colour=_colour(rng, saturation=(0.0, 0.4), value=(0.4, 0.95)),
        noise=float(rng.uniform(1.0, 4.0)),
        seed=seed,
    )


def render(scene: Scene) -> Picture:
    """Cast every ray of the camera of `scene`. The noise depends on the scene's seed alone."""
    centre = _camera_rays(scene, 1)
    distance, owner = _nearest(scene, _eye(scene), centre)
    labels = _labels(scene)[owner]
    shade = _shade(scene, _camera_rays(scene, PIXEL_SAMPLES))
    fine = shade.reshape(HEIGHT, PIXEL_SAMPLES, WIDTH, PIXEL_SAMPLES, 3).mean(axis=(1, 3))
    rng = np.random.default_rng((scene.seed, 1))
    noisy = fine * 255.0 + rng.normal(0.0, scene.noise, fine.shape)
    image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    # A ray's direction has length one along the optical axis, so its parameter is the depth.
    return Picture(image, labels.reshape(HEIGHT, WIDTH), distance.reshape(HEIGHT, WIDTH))


def render_many(seeds: Iterable[int], processes: int = 1) -> Picture:
    """Pictures of many seeds stacked along a new first axis, in the order of the seeds."""
    listed = list(seeds)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            pictures = list(pool.map(_render_seed, listed, chunksize=64))
    else:
        pictures = [_render_seed(seed) for seed in listed]
    return Picture(
        np.stack([p.image for p in pictures]),
        np.stack([p.labels for p in pictures]),
        np.stack([p.depth for p in pictures]),
    )


def _render_seed(seed: int) -> Picture:
    return render(draw_scene(seed))


def _draw_solid(rng: np.random.Generator, wall: float) -> Solid:
    label = int(rng.integers(SPHERE, CONE + 1))
    radius = float(rng.uniform(0.55, 1.0))
    upright = float(rng.uniform(0.5, 1.1))
    if label == SPHERE:
        half = (radius, radius, radius)
    elif label == BOX:
        half = (0.85 * radius, upright, 0.85 * float(rng.uniform(0.45, 1.0)))
    else:
        half = (0.9 * radius, upright, 0.9 * radius)
    z = float(rng.uniform(3.8, wall - 2.0))
    x = float(rng.uniform(-0.62, 0.62)) * z
    return Solid(label, (x, z), half, float(rng.uniform(0.0, np.pi)), _colour(rng, (0.35, 1.0), (0.45, 1.0)))


def _apart(a: Solid, b: Solid) -> bool:
    between = float(np.hypot(a.place[0] - b.place[0], a.place[1] - b.place[1]))
    return between > float(np.hypot(a.half[0], a.half[2]) + np.hypot(b.half[0], b.half[2])) * 0.8 + 0.1


def _colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> tuple[float, float, float]:
    """A colour of random hue, by the usual HSV to RGB formula."""
    hue, s, v = rng.uniform(0.0, 6.0), rng.uniform(*saturation), rng.uniform(*value)
    r, g, b = (v - v * s * max(0.0, min(k, 4.0 - k, 1.0)) for k in ((n + hue) % 6.0 for n in (5.0, 3.0, 1.0)))
    return float(r), float(g), float(b)


def _eye(scene: Scene) -> Floats:
    return np.array([[0.0], [scene.camera_height], [0.0]], np.float32)


def _camera_rays(scene: Scene, samples: int) -> Floats:
    """Directions [3, rays], row by row; length one along the optical axis."""
    rows = (np.arange(HEIGHT * samples) + 0.5) / samples - HEIGHT / 2
    columns = (np.arange(WIDTH * samples) + 0.5) / samples - WIDTH / 2
    up, right = np.meshgrid(-rows / FOCAL, columns / FOCAL, indexing="ij")
    cos, sin = np.cos(scene.pitch), np.sin(scene.pitch)
    return np.stack([right.ravel(), (up * cos - sin).ravel(), (up * sin + cos).ravel()]).astype(np.float32)


def _labels(scene: Scene) -> npt.NDArray[np.uint8]:
    return np.array([solid.label for solid in scene.solids] + [FLOOR, WALL], np.uint8)


def _nearest(scene: Scene, origin: Floats, rays: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Ray parameter of the first hit and what it hits: the index of a solid, then floor, then wall."""
    hits = [_hit(solid, origin, rays) for solid in scene.solids]
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -origin[1] / rays[1]
        wall = (scene.wall - origin[2]) / rays[2]
    hits += [np.where(plane > NEAR, plane, np.float32(np.inf)).astype(np.float32) for plane in (floor, wall)]
    all_hits = np.stack(hits)
    owner = all_hits.argmin(axis=0)
    return np.take_along_axis(all_hits, owner[None], axis=0)[0], owner


def _turn(yaw: float, vectors: Floats) -> Floats:
    """Vectors [3, n] turned about the y axis."""
    cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    return np.stack([cos * vectors[0] + sin * vectors[2], vectors[1], cos * vectors[2] - sin * vectors[0]])


def _to_local(solid: Solid, points: Floats) -> Floats:
    """World points [3, n] in the frame in which the solid fills [-1, 1] in every direction."""
    middle = np.array([[solid.place[0]], [solid.half[1]], [solid.place[1]]], np.float32)
    return _turn(-solid.yaw, points - middle) / np.array(solid.half, np.float32)[:, None]


def _hit(solid: Solid, origin: Floats, rays: Floats) -> Floats:
    """Parameter of a ray's entry into the solid, infinity where it misses. Rays start outside it."""
    o = _to_local(solid, origin)
    d = _turn(-solid.yaw, rays) / np.array(solid.half, np.float32)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.label == CONE:
            return _hit_cone(o, d)
        if solid.label == BOX:
            first, last = _slab(o[0], d[0])
            for axis in (1, 2):
                enter, leave = _slab(o[axis], d[axis])
                first, last = np.maximum(first, enter), np.minimum(last, leave)
        elif solid.label == CYLINDER:
            enter, leave = _slab(o[1], d[1])
            first, last = _roots(
                d[0] * d[0] + d[2] * d[2], o[0] * d[0] + o[2] * d[2], o[0] * o[0] + o[2] * o[2] - np.float32(1.0)
            )
            first, last = np.maximum(first, enter), np.minimum(last, leave)
        else:
            first, last = _roots((d * d).sum(axis=0), (o * d).sum(axis=0), (o * o).sum(axis=0) - np.float32(1.0))
        return np.where((first <= last) & (first > NEAR), first, np.float32(np.inf)).astype(np.float32)


def _slab(o: Floats, d: Floats) -> tuple[Floats, Floats]:
    one = np.float32(1.0)
    low, high = (-one - o) / d, (one - o) / d
    return np.minimum(low, high), np.maximum(low, high)


def _roots(a: Floats, half_b: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Roots of a t^2 + 2 half_b t + c; NaN, which no comparison accepts, where there are none."""
    root = np.sqrt(half_b * half_b - a * c)
    low, high = (-half_b - root) / a, (-half_b + root) / a
    return np.minimum(low, high), np.maximum(low, high)


def _hit_cone(o: Floats, d: Floats) -> Floats:
    """The cone with its apex at y = 1 and its base of radius 1 at y = -1: x^2 + z^2 = ((1 - y) / 2)^2."""
    h, g = (np.float32(1.0) - o[1]) / 2, -d[1] / 2
    sides = _roots(
        d[0] * d[0] + d[2] * d[2] - g * g, o[0] * d[0] + o[2] * d[2] - h * g, o[0] * o[0] + o[2] * o[2] - h * h
    )
    base = (np.float32(-1.0) - o[1]) / d[1]
    best = np.full(d.shape[1], np.inf, np.float32)
    for t in sides:
        valid = (t > NEAR) & (np.abs(o[1] + t * d[1]) <= 1.0)
        best = np.where(valid & (t < best), t, best)
    inside = (o[0] + base * d[0]) ** 2 + (o[2] + base * d[2]) ** 2 <= 1.0
    return np.where(inside & (base > NEAR) & (base < best), base, best).astype(np.float32)


def _normal(solid: Solid, points: Floats) -> Floats:
    """Unit outward normals [3, n] at world points on the surface of the solid."""
    p = _to_local(solid, points)
    n = p.copy()
    if solid.label == BOX:
        axis = np.abs(p).argmax(axis=0)
        n = np.where(np.arange(3)[:, None] == axis, np.sign(p), np.float32(0.0)).astype(np.float32)
    elif solid.label == CYLINDER:
        on_cap = np.abs(p[1]) > 1.0 - EDGE
        n = np.where(on_cap, np.stack([0 * p[0], np.sign(p[1]), 0 * p[0]]), np.stack([p[0], 0 * p[0], p[2]]))
    elif solid.label == CONE:
        on_base = p[1] < -1.0 + EDGE
        slope = (np.float32(1.0) - p[1]) / 4
        n = np.where(on_base, np.array([[0.0], [-1.0], [0.0]], np.float32), np.stack([p[0], slope, p[2]]))
    world = _turn(solid.yaw, (n / np.array(solid.half, np.float32)[:, None]).astype(np.float32))
    length = np.sqrt((world * world).sum(axis=0))
    unit: Floats = world / np.maximum(length, np.float32(1e-9))
    return unit


def _shade(scene: Scene, rays: Floats) -> Floats:
    """Colours [rays, 3] in 0..1: ambient light everywhere, Lambert's law where the lamp is in sight."""
    distance, owner = _nearest(scene, _eye(scene), rays)
    points = _eye(scene) + distance * rays
    normals = np.zeros_like(points)
    colours = np.zeros_like(points)
    for index, solid in enumerate(scene.solids):
        mine = np.flatnonzero(owner == index)
        normals[:, mine] = _normal(solid, points[:, mine])
        colours[:, mine] = np.array(solid.colour, np.float32)[:, None]
    floor, wall = owner == len(scene.solids), owner == len(scene.solids) + 1
    normals[1, floor], normals[2, wall] = 1.0, -1.0
    dark = (np.floor(points[0] / scene.tile) + np.floor(points[2] / scene.tile)) % 2 == 1
    light_tile, dark_tile = (np.array(colour, np.float32)[:, None] for colour in scene.floor_colours)
    colours = np.where(floor, np.where(dark, dark_tile, light_tile), colours)
    colours = np.where(wall, np.array(scene.wall_colour, np.float32)[:, None], colours)
    to_light = np.array(scene.to_light, np.float32)[:, None]
    lambert = np.maximum((normals * to_light).sum(axis=0), np.float32(0.0))
    start = points + np.float32(NEAR) * normals
    lit = np.ones(rays.shape[1], bool)
    for solid in scene.solids:
        lit &= ~np.isfinite(_hit(solid, start, np.broadcast_to(to_light, points.shape)))
    light = scene.ambient + (1.0 - scene.ambient) * lambert * lit
    return np.asarray((colours * light).T, np.float32)
