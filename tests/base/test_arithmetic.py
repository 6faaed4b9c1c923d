"""Integer arithmetic that several modules share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.base.arithmetic import even_pieces


@given(st.integers(1, 5000), st.integers(0, 3000), st.sampled_from([1, 8, 16, 24]))
def test_pieces_are_even_and_cover_all_columns(columns: int, most: int, multiple: int) -> None:
    found = even_pieces(columns, most, multiple)
    assert [column for piece in found for column in piece] == list(range(columns))
    # Less than a multiple is no piece, so that it is taken all the same.
    assert max(map(len, found)) <= max(most, multiple)
    assert all(len(piece) == len(found[0]) and len(piece) % multiple == 0 for piece in found[:-1])
