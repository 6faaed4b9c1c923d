"""edgemoe-gen turns a trained M3ViT checkpoint into an FPGA accelerator.

The verbs of the command line are functions here: `init`, `inspect`, `generate`, `lint`, `schedule`, `build`,
`import_results`, `run`, `trace`, `csim`, `simulate`, `tune`, `apply_tuned`, `sweep`, `compare`, `evaluate`, `selftest`,
`bench`, `serve`, `sim_board`, `boards`, `cache`, `doctor`. The verb `rtl` is `edgemoe_gen.api.rtl`, because
`edgemoe_gen.rtl` is a package. Verbs are imported when first used, PyTorch when first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemoe_gen.base.version import __version__

if TYPE_CHECKING:
    from edgemoe_gen.api import (
        apply_tuned,
        bench,
        boards,
        build,
        cache,
        compare,
        csim,
        doctor,
        evaluate,
        generate,
        import_results,
        init,
        inspect,
        lint,
        run,
        schedule,
        selftest,
        serve,
        sim_board,
        simulate,
        sweep,
        trace,
        tune,
    )

__all__ = [
    "__version__",
    "apply_tuned",
    "bench",
    "boards",
    "build",
    "cache",
    "compare",
    "csim",
    "doctor",
    "evaluate",
    "generate",
    "import_results",
    "init",
    "inspect",
    "lint",
    "run",
    "schedule",
    "selftest",
    "serve",
    "sim_board",
    "simulate",
    "sweep",
    "trace",
    "tune",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from edgemoe_gen import api

        return getattr(api, name)
    if name == "rtl":
        raise AttributeError("the verb rtl is edgemoe_gen.api.rtl: edgemoe_gen.rtl is a package", name=name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
