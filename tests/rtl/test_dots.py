"""Chains of products: every product is in one of them, and what is added comes just when it is needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.rtl.dots import Chain, chain_of


def products(chain: Chain) -> list[int]:
    return [*chain.products, *(number for _, side in chain.takes for number in products(side))]


@given(st.integers(1, 200))
def test_every_product_is_in_one_chain(count: int) -> None:
    assert sorted(products(chain_of(count))) == list(range(count))


@given(st.integers(1, 200))
def test_a_chain_beside_ends_when_its_sum_is_taken_or_before(count: int) -> None:
    chain = chain_of(count)
    places = [place for place, _ in chain.takes]
    assert len(set(places)) == len(places)
    for place, side in chain.takes:
        assert 0 < place < len(chain.products) and not side.takes
        assert side.stages <= place + 1  # the stage of what is added at a place


def test_sixteen_products_take_six_in_a_row() -> None:
    assert [len(chain_of(count).products) for count in (1, 2, 4, 7, 8, 16, 17)] == [1, 2, 3, 4, 5, 6, 7]
