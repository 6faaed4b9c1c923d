"""Which stages a build runs: combinations of --from, --until, --only, --cosim and --rtlsim."""

from __future__ import annotations

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.stages.table import NAMES


def wanted(**asked: object) -> list[str]:
    selection = Selection.of(**asked)  # type: ignore[arg-type]
    return [stage for stage in NAMES if selection.wants(stage)]


def test_everything_runs_by_default_but_what_takes_long() -> None:
    assert wanted() == [stage for stage in NAMES if stage not in ("cosim", "rtlsim")]
    assert wanted(also=["cosim"]) == [stage for stage in NAMES if stage != "rtlsim"]
    assert wanted(also=["cosim", "rtlsim"]) == list(NAMES)


def test_until_ends_after_its_stage_and_the_report_is_always_written() -> None:
    assert wanted(last="csim") == ["render", "compile", "csim", "report"]
    before = [name for name in NAMES[: NAMES.index("ip")] if name not in ("rtlsim", "cosim")]
    assert wanted(last="ip") == [*before, "ip", "report"]


def test_from_starts_at_its_stage_and_runs_what_follows_anew() -> None:
    selection = Selection.of(first="ip")
    assert wanted(first="ip") == ["ip", "bitstream", "package", "report"]
    assert selection.is_before("hls") and not selection.is_before("ip")
    assert selection.anew("bitstream") and not selection.anew("report") and not selection.anew("hls")


def test_only_runs_one_stage() -> None:
    assert wanted(only="hls") == ["hls", "report"]
    assert wanted(only="cosim") == ["cosim", "report"]


def test_a_stage_named_or_passed_on_the_way_to_a_named_one_is_insisted_on() -> None:
    assert not Selection.of().insists("hls")
    assert Selection.of(last="bitstream").insists("hls")
    assert not Selection.of(last="csim").insists("hls")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"first": "hsl"}, "there is no stage 'hsl'"),
        ({"last": "everything"}, "there is no stage 'everything'"),
        ({"only": "ip", "first": "hls"}, "--only is given together"),
        ({"first": "bitstream", "last": "hls"}, "nothing would run"),
    ],
)
def test_a_wrong_choice_is_one_sentence(asked: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Selection.of(**asked)
    assert caught.value.hint
