from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.inheritance import ancestors_first, loops


def test_ancestors_come_first_and_the_last_parent_last():
    parents = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    assert ancestors_first("d", parents) == ("a", "b", "c", "d")
    assert ancestors_first("d", {**parents, "d": ("c", "b")}) == ("a", "c", "b", "d")
    assert ancestors_first("a", parents) == ("a",)


def test_a_parent_named_after_its_own_child_keeps_its_place():
    assert ancestors_first("c", {"a": (), "b": ("a",), "c": ("b", "a")}) == ("a", "b", "c")


@st.composite
def forests(draw):
    names = [f"s{i}" for i in range(draw(st.integers(1, 8)))]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=3))) if i else ()
        for i, name in enumerate(names)
    }


@given(forests())
def test_every_ancestor_comes_once_and_after_all_of_its_own_parents(parents):
    assert loops(parents) == []
    for name in parents:
        order = ancestors_first(name, parents)
        assert order[-1] == name
        assert len(set(order)) == len(order)
        for i, ancestor in enumerate(order):
            assert set(parents[ancestor]) <= set(order[:i])


@given(forests(), st.data())
def test_a_line_back_to_a_descendant_is_a_loop_that_holds_both(parents, data):
    name = data.draw(st.sampled_from(sorted(parents)))
    ancestor = data.draw(st.sampled_from(sorted(ancestors_first(name, parents))))
    looped = {**parents, ancestor: (*parents[ancestor], name)}
    found = loops(looped)
    assert found
    assert any(ancestor in loop for loop in found)
    for loop in found:
        for child, parent in zip(loop, (*loop[1:], loop[0]), strict=True):
            assert parent in looped[child]


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({"a": ("a",)}, [("a",)]),
        ({"a": ("b",), "b": ("c",), "c": ("a",)}, [("a", "b", "c")]),
        ({"x": ("b",), "a": ("b",), "b": ("a",)}, [("a", "b")]),
        ({"a": ("nobody",)}, []),
    ],
)
def test_loops_are_found_once_from_the_scenario_that_comes_first(parents, expected):
    assert loops(parents) == expected


def test_a_long_chain_is_odd_but_no_reason_to_fail():
    parents = {"s0": ()} | {f"s{i}": (f"s{i - 1}",) for i in range(1, 3000)}
    assert ancestors_first("s2999", parents)[:2] == ("s0", "s1")
    assert len(ancestors_first("s2999", parents)) == 3000
    assert loops(parents) == []
    assert loops({**parents, "s0": ("s2999",)}) != []
