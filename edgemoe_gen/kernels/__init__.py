"""The one reader of kernels' C++: text, pragmas, functions and loops with their places.

`read_kernels` reads a project, `read_source` one file; both refuse unknown forms. The timed build, the timing table and
lint read kernels by this package. It knows no types: for those lint asks libclang.
"""

from edgemoe_gen.kernels.files import RUNTIME_FILES, Kernels, read_kernels
from edgemoe_gen.kernels.pragmas import Pragma, read_pragmas
from edgemoe_gen.kernels.reading import read_source
from edgemoe_gen.kernels.source import Body, Function, Loop, Source
from edgemoe_gen.kernels.text import KernelError, Text, of_template

__all__ = [
    "RUNTIME_FILES", "Body", "Function", "KernelError", "Kernels", "Loop", "Pragma", "Source", "Text", "of_template",
    "read_kernels", "read_pragmas", "read_source",
]  # fmt: skip
