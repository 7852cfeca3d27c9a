"""What goes into a page's packed columns comes out again, within what is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maps.pages.columns import as_shown, dictionary, encode_sentences, numbers, pack, rounded_as_shown, steps
from maps.territory_map import accounts as accounts_module
from maps.territory_map import circles
from maps.territory_map.accounts import drawn_accounts, map_places
from maps.territory_map.circles import circle_levels, hexagon_of, near_first
from maps.territory_map.page import map_page

whole = arrays.arrays(np.int32, st.integers(0, 30))
floats = arrays.arrays(np.float64, st.integers(0, 30))
places = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-200, 200, allow_nan=False, width=32)
)


@given(whole)
def test_steps_come_back_exactly(unpack, values):
    assert np.array_equal(unpack(pack({"c": steps(values)}))["c"], values)


@given(floats, st.sampled_from(["<f4", "<f8"]))
def test_numbers_come_back_exactly(unpack, values, dtype):
    with np.errstate(over="ignore", invalid="ignore"):
        stored = values.astype(dtype)
    assert np.array_equal(unpack(pack({"c": numbers(stored, dtype)}))["c"], stored, equal_nan=True)


@given(arrays.arrays(np.float64, st.integers(0, 30), elements=st.floats(-1e12, 1e12) | st.just(np.nan)))
def test_shown_numbers_keep_three_digits_and_whole_hundreds(unpack, values):
    back = unpack(pack({"c": as_shown(values)}))["c"].astype(np.float64)
    known = ~np.isnan(values)
    assert np.array_equal(np.isnan(back), ~known)
    size = np.abs(values[known])
    allowed = np.where(size >= 100, 0.5, 0.005 * size) * (1 + 1e-6) + 1e-30
    assert (np.abs(back[known] - values[known]) <= allowed).all()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, 0.0), (-12.345, -12.3), (99.96, 100.0), (1234.5, 1235.0), (0.0012345, 0.00123), (5e9, 5e9)],
)
def test_numbers_are_rounded_as_pages_show_them(value, shown):
    assert rounded_as_shown(np.array([value]))[0] == pytest.approx(shown, rel=1e-12)


@given(st.lists(st.text(max_size=12), max_size=20))
def test_texts_and_sentences_come_back_exactly(unpack, texts):
    stored = {"t": dictionary(texts, packed=True), "s": encode_sentences(texts, packed=True)}
    assert unpack(pack(stored)) == {"t": texts, "s": texts}


def test_the_same_columns_give_the_same_text_of_plain_letters():
    columns = {"a": steps(np.arange(50)), "names": ["</script>", "\u2028"]}
    assert pack(columns) == pack(columns)
    assert not set(pack(columns)) & set("<>&\u2028")


def test_what_a_page_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="cannot hold a ndarray"):
        pack({"a": np.arange(3)})


def _far(step, x, y, expected):
    return np.hypot(x * step - expected[:, 0], y * step - expected[:, 1]).max()


def test_positions_are_finer_than_a_pixel_at_zoom_18(midwest, build_plan, unpack):
    lonlat = midwest.accounts[["longitude", "latitude"]].to_numpy()
    drawn = unpack(drawn_accounts(midwest, build_plan(midwest), lonlat, np.zeros(300, dtype=np.intp)).columns)
    lat = np.radians(lonlat[:, 1])
    leaflet = np.column_stack(
        [256 * (0.5 + lonlat[:, 0] / 360), 256 * (0.5 - np.log(np.tan(np.pi / 4 + lat / 2)) / (2 * np.pi))]
    )
    assert _far(drawn["step"], drawn["x"], drawn["y"], leaflet) * 2**18 < 1
    assert map_places(lonlat, planar=False) == pytest.approx(leaflet, abs=1e-9)
    assert map_places(np.array([[3.0, 4.0]]), planar=True).tolist() == [[3.0, -4.0]]


def test_accounts_placed_by_postal_code_say_so(midwest, build_plan, unpack):
    midwest.accounts.loc[["A0000", "A0001"], "location_source"] = "postal_code"
    midwest.accounts.loc["A0001", "location_precision_km"] = 4.24
    lonlat = midwest.accounts[["longitude", "latitude"]].to_numpy()
    placed = unpack(drawn_accounts(midwest, build_plan(midwest), lonlat, np.zeros(300, dtype=np.intp)).columns)[
        "placed"
    ]
    assert placed[0] == "Placed by its postal code."
    assert placed[1] == "Placed by its postal code; its address is typically within 4.24 km."
    assert set(placed[2:]) == {""}


@given(places, st.floats(0.5, 50, width=32))
def test_each_place_lies_in_the_hexagon_of_its_nearest_middle(points, pitch):
    hexagon = hexagon_of(points, pitch)
    for one in np.unique(hexagon):
        inside = points[hexagon == one]
        # No two places of a regular hexagon are farther apart than its corners.
        away = np.hypot(*(inside[:, None] - inside[None]).T)
        assert away.max() <= 2 * pitch / np.sqrt(3) * (1 + 1e-6)


@given(places, st.integers(0, 4))
def test_circles_stand_for_every_account_once_at_every_level(points, seed):
    rng = np.random.default_rng(seed)
    n = len(points)
    territory, travel = rng.integers(-1, 3, n), np.where(rng.random(n) < 0.2, np.nan, rng.random(n) * 50)
    measure = rng.random(n) * 100
    levels = circle_levels(points, territory, travel, {"visits": measure})
    assert [level.pitch for level in levels] == pytest.approx([levels[0].pitch / 2**k for k in range(len(levels))])
    for level in levels:
        assert level.accounts.sum() == n
        for t in range(-1, 3):
            assert level.accounts[level.territory == t].sum() == (territory == t).sum()
        assert level.measures["visits"].sum() == pytest.approx(measure.sum())
        assert level.accounts @ level.places == pytest.approx(points.sum(axis=0), rel=1e-6, abs=1e-3)
        assert np.isnan(level.travel).all() == np.isnan(travel).all()


def test_a_level_with_too_many_circles_ends_the_levels(monkeypatch):
    monkeypatch.setattr(circles, "_MOST_CIRCLES", 300)
    rng = np.random.default_rng(0)
    points = rng.random((2000, 2))
    levels = circle_levels(points, np.zeros(2000, dtype=np.intp), np.ones(2000), {})
    assert len(levels) == 1  # the coarsest is always there


def test_places_are_ordered_so_that_neighbours_follow_each_other():
    points = np.random.default_rng(0).random((2000, 2))
    order = near_first(points)
    assert sorted(order.tolist()) == list(range(2000))
    step = np.hypot(*np.diff(points[order], axis=0).T).mean()
    assert step < 0.1 * np.hypot(*np.diff(points, axis=0).T).mean()


@pytest.mark.parametrize("dots", [True, False])
def test_beyond_the_most_accounts_circles_are_drawn_and_dots_close_up(dots, midwest, build_plan, unpack, monkeypatch):
    monkeypatch.setattr(accounts_module, "MOST_ACCOUNTS_DRAWN", 100)
    monkeypatch.setattr(accounts_module, "MOST_DOTS", 300 if dots else 200)
    lonlat = midwest.accounts[["longitude", "latitude"]].to_numpy()
    territory = np.arange(300) % 5
    drawn = drawn_accounts(midwest, build_plan(midwest), lonlat, territory)
    assert (drawn.summary["many"], drawn.summary["dots"], drawn.summary["n"]) == (True, dots, 300)
    coarse = unpack(drawn.columns)["levels"][0]
    assert coarse["accounts"].sum() == 300
    revenue = next(m for m in coarse["measures"] if m["label"] == "revenue")
    assert revenue["values"].sum() == pytest.approx(midwest.accounts["revenue"].sum(), rel=1e-3)
    if dots:
        each = unpack(drawn.dots)
        assert np.bincount(each["territory"]).tolist() == [60] * 5
        assert sorted(each["x"]) == sorted(np.rint(map_places(lonlat, planar=False)[:, 0] / each["step"]))
    else:
        assert drawn.dots == ""


def test_a_column_of_text_is_no_measure_and_labels_that_meet_give_way_to_names(build_problem, build_plan, unpack):
    n = 12
    problem = build_problem(
        np.linspace(-95, -91, n), np.full(n, 41.5), {"R1": (-93.0, 41.0)},
        extra={"revenue": ["", "N/A", *["5"] * (n - 2)], "visits_a": 3.0, "visits a": 70.0 + np.arange(n)},
        config={"balance": ({"measure": "visits_a", "tolerance": 9.0}, {"measure": "visits a", "tolerance": 9.0})},
    )  # fmt: skip
    lonlat = problem.accounts[["longitude", "latitude"]].to_numpy()
    drawn = unpack(drawn_accounts(problem, build_plan(problem), lonlat, np.zeros(n, dtype=np.intp)).columns)
    told = {measure["label"]: list(measure["values"])[:2] for measure in drawn["measures"]}
    assert told == {"visits_a": [3, 3], "visits a": [70, 71], "visits": [1, 2]}
    page = map_page(problem, build_plan(problem))
    assert ">visits_a<" in page
    assert ">Visits a<" in page
    alone = build_problem([-94.0, -92.0], [41.0, 41.0], {"R1": (-93.0, 41.0)})
    assert ">Visits</button>" in map_page(alone, build_plan(alone))
