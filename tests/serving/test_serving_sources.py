"""Sources: folders, videos and cameras give frames of the network's size, and say by name what is wrong."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.serving import SourceError, make_sources
from edgemoe_gen.serving.sources import VideoSource

SIZE = 32, 64


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 32)) -> None:
    Image.new("RGB", size, colour).save(path)


def test_folder_shows_its_pictures_by_name_again_and_again(tmp_path: Path) -> None:
    for i, name in enumerate(("b.png", "a.png", "c.png")):
        picture(tmp_path / name, (50 * i, 0, 0))
    (tmp_path / "notes.txt").write_text("no picture")
    (source,) = make_sources([str(tmp_path)], SIZE)
    seen = [int(shot.frame[0, 0, 0]) for shot in islice(source.frames(), 5)]
    assert seen == [50, 0, 100, 50, 0]
    assert not source.live


def test_pictures_of_another_size_become_the_networks(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (10, 20, 30), (200, 50))
    Image.new("L", (64, 32), 77).save(tmp_path / "grey.png")
    (source,) = make_sources([str(tmp_path)], SIZE)
    first, second = (shot.frame for shot in islice(source.frames(), 2))
    assert first.shape == second.shape == (32, 64, 3)
    assert first.dtype == np.uint8
    assert first[5, 5].tolist() == [10, 20, 30]
    assert second[5, 5].tolist() == [77, 77, 77]


def test_a_damaged_picture_is_left_out_and_only_a_folder_of_them_fails(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (10, 20, 30))
    (tmp_path / "b.png").write_bytes(b"no picture at all")
    (source,) = make_sources([str(tmp_path)], SIZE)
    assert [shot.frame[0, 0, 0] for shot in islice(source.frames(), 3)] == [10, 10, 10]
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match=r"holds no picture that can be read \(a\.png"):
        next(source.frames())


@pytest.mark.parametrize(
    ("text", "message"),
    [("missing", "there is no source at missing"), ("camera:x", "'camera:x' is no camera"), ("empty", "no picture")],
)
def test_what_is_no_source_is_refused_by_name(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message) as caught:
        make_sources([text], SIZE)
    assert caught.value.hint


def test_a_camera_without_opencv_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(SourceError, match="camera:0 needs OpenCV") as caught:
        make_sources(["camera:0"], SIZE)
    assert "opencv" in caught.value.hint


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for parent in ("x", "y"):
        (tmp_path / parent / "same").mkdir(parents=True)
        picture(tmp_path / parent / "same" / "a.png", (1, 2, 3))
    found = make_sources([str(tmp_path / name / "same") for name in ("x", "y", "y")], SIZE)
    assert [source.name for source in found] == ["x/same", "y/same", "y/same (2)"]


class Capture:
    """Stands in for a device that OpenCV reads: `frames`, then nothing more."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames, self.released = frames, 0

    def isOpened(self) -> bool:  # noqa: N802
        return bool(self.frames) or self.released < 0

    def set(self, *_: Any) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def release(self) -> None:
        self.released += 1


def camera(capture: Capture) -> VideoSource:
    opencv = SimpleNamespace(VideoCapture=lambda _: capture, CAP_PROP_BUFFERSIZE=38)
    return VideoSource("camera:0", 0, SIZE, None, opencv)


def test_a_cameras_picture_is_cut_to_the_networks_shape_and_red_comes_first() -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)  # blue, green, red, as OpenCV has them
    pixels[:, :, 2] = 200
    pixels[:80], pixels[-80:] = (255, 0, 0), (255, 0, 0)  # 4:3 to 2:1 cuts 80 lines off above and below
    capture = Capture([pixels])
    frames = camera(capture).frames()
    frame = next(frames).frame
    assert frame.shape == (32, 64, 3)
    assert (frame == (200, 0, 0)).all()
    frames.close()
    assert capture.released == 1


def test_a_camera_that_is_pulled_out_fails_by_name_and_is_released() -> None:
    capture = Capture([np.zeros((32, 64, 3), np.uint8)])
    frames = camera(capture).frames()
    next(frames)
    with pytest.raises(SourceError, match="camera:0 gives no pictures any more"):
        next(frames)
    assert capture.released == 1


def test_a_camera_that_is_not_there_fails_by_name() -> None:
    capture = Capture([])
    with pytest.raises(SourceError, match="camera:0 can't be opened"):
        next(camera(capture).frames())
    assert capture.released == 1


def test_a_video_gives_its_frames_at_its_own_rate_and_ends(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="video needs OpenCV")
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (128, 64))
    for i in range(5):
        writer.write(np.full((64, 128, 3), (0, 0, 40 * i), np.uint8))
    writer.release()
    (source,) = make_sources([str(path)], SIZE)
    frames = [shot.frame for shot in source.frames()]
    assert source.live
    assert source.interval == pytest.approx(1 / 12.5)
    assert [round(frame[..., 0].mean() / 40) for frame in frames] == [0, 1, 2, 3, 4]
    (path.parent / "broken.avi").write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"broken\.avi"):
        list(make_sources([str(path.parent / "broken.avi")], SIZE)[0].frames())
