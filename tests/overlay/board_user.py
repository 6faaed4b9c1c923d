"""A process that opens an overlay on a simulated board which other processes can see: for tests of the lock.

Arguments: folder of the overlay, name of the board's lock, what to do: "hold" until killed, "fork" a child that lives
on, "run" a frame, or "stream" for ever. Says "ready" once the accelerator is open, and "refused: ..." if it is not.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def main(folder: str, lock: str, what: str) -> int:
    warnings.simplefilter("ignore")
    from edgemoe_gen.overlay import Accelerator, OverlayError
    from tests.overlay.simulated_board import SimulatedDevice
    from tests.overlay.small_builds import small_build

    device = SimulatedDevice(small_build().engine)
    device.lock_name = lock
    with device:
        try:
            accelerator = Accelerator(Path(folder))
        except OverlayError as error:
            print(f"refused: {error.message}", flush=True)
            return 3
        frame = np.zeros((*accelerator.image_size, 3), np.uint8)
        if what == "fork":
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
            print(f"child {child}", flush=True)
        if what == "stream":
            for result in accelerator.stream(itertools.repeat(frame)):
                if result.frame == 3:
                    print("ready", flush=True)
        print("ready", flush=True)
        if what in ("hold", "fork"):
            time.sleep(60)
        accelerator.run(frame, accelerator.tasks[0])
        accelerator.close()
        print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
