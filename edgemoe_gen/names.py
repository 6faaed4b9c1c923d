"""Names that several parts of the project say, and what a name from outside may hold.

A leaf: it imports nothing of this package.
"""

from __future__ import annotations

import re

TOP = "edgemoe_engine"  # function that becomes hardware, IP, and instance in the block design
IP_VENDOR, IP_LIBRARY, IP_VERSION = "edgemoe", "hls", "1.0"
VLNV = f"{IP_VENDOR}:{IP_LIBRARY}:{TOP}:{IP_VERSION}"
BITSTREAM, HANDOFF = "edgemoe.bit", "edgemoe.hwh"  # as the Vivado script leaves them

# Task names become parts of file names, of Python and of Markdown, which nothing escapes.
TASK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
TASK_NAME_RULE = "1 to 64 letters, digits, dots, hyphens and underscores"
# Control characters of ASCII and Latin-1, and Unicode's own ends of lines.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
