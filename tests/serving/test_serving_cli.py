"""`edgemoe-gen serve`: wrong words are refused by name, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the live view needs aiohttp")

from edgemoe_gen.cli import main
from tests.serving.csim_backend import write_pictures

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from edgemoe_gen.serving import make_sources, serve
from tests.serving.csim_backend import SIZE, csim_backend
backend = csim_backend()
backend.delay = 0.3
serve(backend.opener, make_sources(sys.argv[1:2], SIZE), port=0, ready=lambda a, _: print(a, flush=True))
assert not backend.open
print("closed")
"""


def test_an_overlay_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["serve", str(tmp_path / "nothing"), "--source", str(tmp_path)]) == 2
    assert f"'{tmp_path / 'nothing'}' is neither an installed overlay nor a folder" in capsys.readouterr().err


def test_serve_without_an_overlay_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    assert "Missing argument 'OVERLAY'" in capsys.readouterr().err


def test_without_aiohttp_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert main(["serve", "anything"]) == 2
    said = capsys.readouterr().err
    assert "needs aiohttp" in said
    assert "[serve]" in said


def test_help_and_serving_s_own_import_need_no_aiohttp_and_no_torch() -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None; sys.modules['torch'] = None; import edgemoe_gen.serving;"
        "from edgemoe_gen.cli import main; sys.exit(main(['serve', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--source" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_frame_that_runs_and_closes_the_accelerator(tmp_path: Path, number: int) -> None:
    folder = write_pictures(tmp_path / "pictures")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert out == "closed\n"
    assert err == ""
