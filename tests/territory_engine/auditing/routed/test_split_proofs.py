"""The two proofs of a split against brute force, which tries every split there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from territory_engine.auditing.routed.paths import check_paths, check_swaps, check_ties
from territory_engine.auditing.routed.prices import (
    SplitPart,
    check_fair_prices,
    check_objectives,
    check_rank_prices,
    check_value_prices,
)


@st.composite
def parts(draw: st.DrawFn, then: str = "value") -> SplitPart:
    """Draw a small batch and any split of it that keeps to the rooms."""
    m, n = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    pairs = [(i, r) for i in range(n) for r in range(m) if draw(st.booleans())]
    lead, rep = np.array(pairs, np.int64).reshape(-1, 2).T
    capacity = np.array([draw(st.integers(0, 4)) for _ in range(m)])
    nothing = np.zeros(m, np.int64)
    part = SplitPart(
        name="shared",
        labels=[f"L{i}" for i in range(n)],
        rep_ids=[f"R{r}" for r in range(m)],
        lead=lead,
        rep=rep,
        rank=np.array([draw(st.integers(0, 2)) for _ in pairs], np.int64),
        value=np.array([draw(st.integers(0, 9)) for _ in pairs], np.int64),
        own=np.full(n, -1, np.int64),
        level=np.array([draw(st.integers(0, 3)) for _ in range(m)]) * 500_000,
        step=np.array([draw(st.sampled_from([500_000, 1_000_000, 2_000_000])) for _ in range(m)]),
        capacity=capacity,
        objective=draw(st.sampled_from(["squares", "leximin"])),
        second=then,
        slack=0,
        told={"unassigned_rank": 100, "unassigned_price": 0},
        prices=dict.fromkeys(("rank_price", "fair_price", "fair_count", "least", "most", "value_price"), nothing),
        worth=np.array([draw(st.integers(0, 5)) for _ in range(n)]),
        worth_level=np.array([draw(st.integers(0, 9)) for _ in range(m)]) * 1_000_000,
    )
    every = list(splits(part))
    return replace(part, own=every[draw(st.integers(0, len(every) - 1))])


def splits(part: SplitPart) -> Iterator[np.ndarray]:
    """Yield every split that keeps to the rooms, as the pair of each lead."""
    options = [[-1, *np.flatnonzero(part.lead == i)] for i in range(len(part.own))]
    for chosen in itertools.product(*options):
        own = np.array(chosen, np.int64)
        if (np.bincount(part.rep[own[own >= 0]], minlength=len(part.step)) <= part.capacity).all():
            yield own


def worth_of(part: SplitPart) -> tuple[int, int, tuple[int, ...] | float]:
    """Return what a split is worth, least best: waiting leads, ranks, fairness."""
    given_ = part.own >= 0
    count = np.bincount(part.rep[part.own[given_]], minlength=len(part.step))
    ranks = int(part.rank[part.own[given_]].sum())
    if part.objective == "squares":
        fair: tuple[int, ...] | float = float(
            sum((lv + n * s) ** 2 / s for lv, n, s in zip(part.level, count, part.step, strict=True))
        )
        return int((~given_).sum()), ranks, round(float(fair), 3)
    levels = [lv + n * s for lv, n, s in zip(part.level.tolist(), count.tolist(), part.step.tolist(), strict=True)]
    return int((~given_).sum()), ranks, tuple(sorted(levels, reverse=True))


@settings(max_examples=300, deadline=None)
@given(parts())
def test_a_split_has_no_better_chain_exactly_if_no_split_is_better(part: SplitPart) -> None:
    own = worth_of(part)
    best = min(worth_of(replace(part, own=other)) for other in splits(part))
    if part.objective == "leximin" and len(set(part.step.tolist())) > 1:
        # With unequal weights only the greedy order of costs is claimed, which is at least as strict in the top levels.
        assert check_paths(part).ok <= (own[:2] == best[:2])
        return
    assert check_paths(part).ok == (own == best)


@settings(max_examples=100, deadline=None)
@given(parts(), st.data())
def test_no_prices_let_a_worse_split_pass(part: SplitPart, data: st.DataObject) -> None:
    m = len(part.step)
    count = part.count
    first, rise, _ = part.costs
    drawn = {
        "rank_price": [data.draw(st.sampled_from([0, 0, 1, 50, 98, 99, 100])) for _ in range(m)],
        "fair_price": [int(first[r] + (count[r] + data.draw(st.integers(0, 1))) * rise[r]) for r in range(m)],
    }
    prices = {name: np.array(values, np.int64) for name, values in drawn.items()}
    priced = replace(part, prices={**part.prices, **prices, "fair_count": count})
    checks = [*check_rank_prices(priced), *check_fair_prices(priced)]
    if all(check.ok for check in checks):
        assert check_paths(priced).ok


@settings(max_examples=200, deadline=None)
@given(parts("even_value"))
def test_values_are_even_exactly_if_no_exchange_or_move_helps(part: SplitPart) -> None:
    part = replace(part, prices={**part.prices, "fair_count": part.count})
    assert check_swaps(part).ok == (not list(better_exchanges(part)))


def better_exchanges(part: SplitPart) -> Iterator[tuple[int, int]]:
    """Yield exchanges of two leads, and moves of one, that lower the sum of weight × share² within the bounds."""
    least, most = part.bounds
    able = {(int(i), int(r)): bool(t) for i, r, t in zip(part.lead, part.rep, part.tight, strict=True)}
    fair = part.prices["fair_price"]
    for (i, r), tight in able.items():
        others = [fair[s] for (j, s), also in able.items() if j == i and also]
        able[i, r] = tight and fair[r] == min(others)
    rep = part.its_rep

    def total(rep: np.ndarray) -> float:
        share = part.worth_level.astype(float)
        for i, r in enumerate(rep.tolist()):
            if r >= 0:
                share[r] += part.worth[i] * part.step[r]
        return float((share**2 / part.step).sum())

    for i in np.flatnonzero(rep >= 0):
        for s in range(len(part.step)):
            r = rep[i]
            if s == r or not able.get((int(i), s)):
                continue
            if part.count[r] > least[r] and part.count[s] < most[s]:
                moved = rep.copy()
                moved[i] = s
                if total(moved) < total(rep) - 1e-3:
                    yield int(i), -1
            for j in np.flatnonzero(rep == s):
                if able.get((int(j), int(r))):
                    moved = rep.copy()
                    moved[i], moved[j] = s, r
                    if total(moved) < total(rep) - 1e-3:
                        yield int(i), int(j)


def test_among_equals_who_comes_first_in_ties_has_more_and_later_leads_wait() -> None:
    # Three leads alike, two reps alike with room for one lead each, or for two.
    lead, rep = np.repeat(np.arange(3), 2), np.tile([0, 1], 3)
    one = np.array([1, 1])
    zeros = dict.fromkeys(("fair_price", "fair_count", "least", "most", "value_price", "rank_price"), one * 0)
    part = SplitPart(
        name="shared", labels=["L0", "L1", "L2"], rep_ids=["R0", "R1"], lead=lead, rep=rep, rank=np.full(6, 2),
        value=np.full(6, 7), own=np.array([0, 3, -1]), level=one * 0, step=one * 1_000_000, capacity=one,
        objective="squares", second="value", slack=0, told={"unassigned_rank": 100, "unassigned_price": 0},
        prices={**zeros, "rank_price": one * 98, "fair_count": one, "value_price": one * 7},
    )  # fmt: skip
    assert check_rank_prices(part)[0].ok
    assert check_ties(part, np.array([0, 1])).ok
    early = replace(part, own=np.array([-1, 3, 4]))
    assert "L0 waits, and L2, which came later" in check_ties(early, np.array([0, 1])).message
    roomy = replace(
        part, own=np.array([0, 3, 4]), capacity=one * 2,
        prices={**zeros, "fair_price": one * 3_000_000, "fair_count": np.array([2, 1])},
    )  # fmt: skip
    assert check_ties(roomy, np.array([0, 1])).ok
    assert "R0 is as well with R1, who comes before in ties" in check_ties(roomy, np.array([1, 0])).message


def test_the_fair_bounds_and_objectives_of_a_split_by_hand_hold() -> None:
    # Two leads, two reps, both can take both; one each.
    lead, rep = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    one = np.array([1, 1])
    part = SplitPart(
        name="shared", labels=["L0", "L1"], rep_ids=["R0", "R1"], lead=lead, rep=rep, rank=np.array([2, 2, 2, 2]),
        value=np.array([5, 1, 4, 3]), own=np.array([0, 3]), level=one * 0, step=one * 1_000_000, capacity=one * 9,
        objective="squares", second="value", slack=0,
        told={
            "unassigned_rank": 100, "unassigned_price": 0, "leads": 2, "assigned": 2, "rank_sum": 4,
            "fairness_cost": 2_000_000, "fairest_cost": 2_000_000, "value_sum": 8, "fairest_value": 8,
        },
        prices={
            "rank_price": one * 0, "fair_price": one * 1_000_000, "fair_count": one, "count": one, "least": one * 0,
            "most": one, "value_price": np.array([1, 0]),
        },
    )  # fmt: skip
    checks = [*check_rank_prices(part), *check_fair_prices(part), *check_value_prices(part), check_objectives(part)]
    assert [check.message for check in checks if not check.ok] == []
    assert check_paths(part).ok
    worse = replace(part, own=np.array([1, 2]))
    assert [check.name for check in check_value_prices(worse) if not check.ok] == ["value_prices:shared"]
    assert check_paths(worse).ok  # as fair; only the values differ
    uneven = replace(part, own=np.array([0, 2]))
    assert "would make shares more even" in check_paths(uneven).message
