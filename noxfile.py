"""What a developer runs, session by session; `.ci/run` runs the same commands on a bare machine.

Sessions make environments of their own; with `nox --no-venv` they take the one that is active.
"""

from __future__ import annotations

import nox

nox.options.sessions = ["check", "fast"]
nox.options.reuse_existing_virtualenvs = True
TORCH = "torch==2.13.0"
KERNELS = ("hls/*.h", "hls/timed/*.h", "hls/schedule/*.h", "hls/rtl/simulation/*")


def install(session: nox.Session, *extras: str, first: tuple[str, ...] = (TORCH,)) -> None:
    """The project and some of its extras, unless the session takes the environment that is active."""
    if session.virtualenv.is_sandboxed:
        session.install(*first, "-e", f".[{','.join(extras)}]")


@nox.session
def check(session: nox.Session) -> None:
    """Formatter, linter, type checker, which reads the testbenches too."""
    install(session, "torch", "lint", "rtl", "dev")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("bash", "-c", f"clang-format --dry-run -Werror {' '.join(KERNELS)}", external=True)
    session.run("mypy")


@nox.session
def fast(session: nox.Session) -> None:
    """The fast tests."""
    install(session, "torch", "lint", "rtl", "dev")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The slow tests alone."""
    install(session, "torch", "lint", "rtl", "dev")
    session.run("python", "-m", "pytest", "-n", "2", "-m", "slow and not nightly", *session.posargs)


@nox.session
def board(session: nox.Session) -> None:
    """The board's side under PYNQ, which needs an older NumPy than the rest."""
    install(session, "torch", "lint", "dev")
    install(session, "pynq", first=())
    session.run(
        "python",
        "-m",
        "pytest",
        "-n",
        "2",
        "-m",
        "pynq and not nightly",
        "tests/overlay",
        "tests/serving",
        "tests/flow",
    )


@nox.session
def docs(session: nox.Session) -> None:
    """The site, strictly: a broken link or an unknown name is an error."""
    install(session, "docs", first=())
    session.run("mkdocs", "build", "--strict", *session.posargs)
