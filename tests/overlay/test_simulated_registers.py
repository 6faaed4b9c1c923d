"""Register blocks of the simulated board behave as the logic does: no PYNQ needed."""

from __future__ import annotations

import pytest

from edgemoe_gen.hardware.registers import engine_registers
from edgemoe_gen.simulated.registers import ControlBlock, InterruptController

OFFSETS = {register.name: register.offset for register in engine_registers(2)}
CTRL, GIER, IER, ISR = (OFFSETS[name] for name in ("CTRL", "GIER", "IP_IER", "IP_ISR"))
START, DONE, IDLE, READY, AUTO_RESTART, INTERRUPT = 1, 2, 4, 8, 0x80, 0x200


class Chip:
    """A control block and an interrupt controller behind it; counts starts."""

    def __init__(self) -> None:
        self.starts = 0
        self.lines: list[bool] = []
        self.control = ControlBlock(OFFSETS, self.start, lambda: self.controller.update())
        self.controller = InterruptController(
            lambda: self.control.line, lambda: self.lines.append(self.controller.line)
        )

    def start(self) -> None:
        self.starts += 1


@pytest.fixture
def chip() -> Chip:
    return Chip()


def test_a_reset_engine_is_idle_and_nothing_else(chip: Chip) -> None:
    assert chip.control.read(CTRL) == IDLE
    assert chip.control.read(OFFSETS["status"]) == 0 and chip.control.read(OFFSETS["status_ctrl"]) == 0


def test_start_stays_until_the_engine_has_taken_it(chip: Chip) -> None:
    chip.control.write(CTRL, START)
    assert chip.starts == 1
    assert chip.control.read(CTRL) == START and chip.control.read(CTRL) == START
    chip.control.write(CTRL, START)
    chip.control.write(CTRL, 0)
    assert chip.starts == 1 and chip.control.read(CTRL) == START
    assert chip.control.finish() is False
    assert chip.control.read(CTRL) == DONE | READY | IDLE


def test_done_is_cleared_by_reading_it(chip: Chip) -> None:
    chip.control.write(CTRL, START)
    chip.control.finish()
    assert chip.control.read(CTRL) & DONE
    assert chip.control.read(CTRL) == IDLE


def test_auto_restart_keeps_start_and_begins_again(chip: Chip) -> None:
    chip.control.write(CTRL, START | AUTO_RESTART)
    assert chip.control.finish() is True
    assert chip.control.read(CTRL) == START | DONE | READY | AUTO_RESTART
    chip.control.write(CTRL, 0)
    assert chip.control.finish() is False
    assert chip.control.read(CTRL) == DONE | READY | IDLE


def test_addresses_have_two_words(chip: Chip) -> None:
    chip.control.write(OFFSETS["image_1"], 0x89ABCDEF)
    chip.control.write(OFFSETS["image_2"], 0x1234567)
    assert chip.control.argument("image") == 0x123456789ABCDEF
    assert chip.control.argument("program") == 0


def test_outputs_come_with_a_valid_bit_that_reading_clears(chip: Chip) -> None:
    chip.control.output("progress", 812)
    assert chip.control.read(OFFSETS["progress_ctrl"]) == 1
    assert chip.control.read(OFFSETS["progress_ctrl"]) == 0
    assert chip.control.read(OFFSETS["progress"]) == 812 == chip.control.read(OFFSETS["progress"])
    chip.control.write(OFFSETS["progress"], 7)
    assert chip.control.read(OFFSETS["progress"]) == 812


def test_interrupt_needs_both_enables_and_is_cleared_by_writing_one(chip: Chip) -> None:
    chip.control.write(CTRL, START)
    chip.control.finish()
    assert not chip.control.line and chip.control.read(ISR) == 0, "not enabled: not remembered"
    chip.control.write(IER, 1)
    chip.control.write(CTRL, START)
    chip.control.finish()
    assert chip.control.read(ISR) == 1 and not chip.control.line
    chip.control.write(GIER, 1)
    assert chip.control.line and chip.control.read(CTRL) & INTERRUPT
    chip.control.write(ISR, 1)
    assert not chip.control.line and chip.control.read(ISR) == 0
    chip.control.write(ISR, 1)
    assert chip.control.line, "writing toggles: one too many raises it"


def test_controller_passes_on_what_is_enabled_and_holds_a_level_until_its_source_falls(chip: Chip) -> None:
    controller = chip.controller
    chip.control.write(IER, 1)
    chip.control.write(GIER, 1)
    chip.control.write(CTRL, START)
    chip.control.finish()
    assert controller.read(InterruptController.ISR) == 1 and controller.read(InterruptController.IPR) == 0
    controller.write(InterruptController.SIE, 1)
    assert controller.read(InterruptController.IPR) == 1 and not controller.line
    controller.write(InterruptController.MER, 3)
    assert controller.line and chip.lines[-1] is True
    controller.write(InterruptController.IAR, 1)
    assert controller.line, "the engine still holds its line"
    chip.control.write(ISR, 1)
    assert controller.line, "seen until it is acknowledged"
    controller.write(InterruptController.IAR, 1)
    assert not controller.line and chip.lines[-1] is False
    controller.write(InterruptController.CIE, 1)
    assert controller.read(InterruptController.IER) == 0


def test_reset_forgets_everything(chip: Chip) -> None:
    chip.control.write(OFFSETS["result_1"], 5)
    chip.control.write(GIER, 1)
    chip.control.write(CTRL, START)
    chip.control.reset()
    assert chip.control.read(CTRL) == IDLE
    assert chip.control.argument("result") == 0 and chip.control.read(GIER) == 0
