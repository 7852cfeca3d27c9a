from __future__ import annotations

import base64
import json
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely

from maps import territory_shapes, write_map
from maps.pages.columns import encode_sentences
from maps.pages.drawing import Drawing
from maps.pages.offline import script_json
from maps.territory_map.accounts import drawn_accounts
from maps.territory_map.page import map_page

HOSTILE = "</script><script>document.title='owned'</script>"


def page_data(html):
    return json.loads(re.search(r'id="plan-data">(.*?)</script>', html, re.DOTALL)[1])


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def sentences(stored):
    """Undo encode_sentences, as the page does."""
    values, n = stored["values"], len(stored["numbers"] or [])
    index = (
        range(len(values))
        if stored["index"] is None
        else decoded(stored["index"], "<u4" if len(values) > 65_535 else "<u2")
    )
    patterns = [values[i] for i in index]
    if stored["numbers"] is None:
        return patterns
    assert n == len(patterns)
    out = []
    for pattern, numbers in zip(patterns, stored["numbers"], strict=True):
        parts = iter(numbers.split("|"))
        out.append(re.sub("\x00", lambda _, parts=parts: next(parts), pattern))
    return out


def fetched_addresses(html):
    """Every address a browser would fetch when the page opens: links, sources, style urls, and imports."""
    html = re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.DOTALL)
    tags = re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.DOTALL)
    styles = " ".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    found = re.findall(r"""\b(?:src|href|srcset|data|poster|action)\s*=\s*["']?([^"'\s>]+)""", tags)
    found += re.findall(r"url\(\s*[\"']?([^)\"']+)", styles) + re.findall(r"@import\s*([^;]+)", styles)
    return [address for address in found if not address.startswith("data:")]


def test_the_page_fetches_nothing(midwest, build_plan, tmp_path):
    write_map(midwest, build_plan(midwest), tmp_path / "map.html")
    html = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert fetched_addresses(html) == []
    assert "cdn." not in html
    assert "jquery" not in html.lower()
    assert "Leaflet 1.9" in html


def test_the_only_foreign_address_allowed_is_the_configured_tile_server(midwest, build_plan, build_problem):
    policy = re.compile(r'Content-Security-Policy" content="([^"]*)"')
    found = policy.search(map_page(midwest, build_plan(midwest)))[1]
    assert "default-src 'none'" in found
    assert "img-src data: https://*.tiles.example.org;" in found
    plain = build_problem([-93.0, -92.0], [41.0, 42.0], {"R1": (-93.0, 41.0)})
    assert "http" not in policy.search(map_page(plain, build_plan(plain)))[1]


@pytest.mark.parametrize(
    ("template", "source"),
    [
        ("https://tile.example.org/{z}/{x}/{y}.png", "https://tile.example.org"),
        ("https://{s}.example.org/{z}/{x}/{y}.png", "https://*.example.org"),
        ("https://a{s}.example.org/{z}.png", ""),
        ("https://x.org; script-src *", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_tile_templates_open_the_policy_no_further_than_needed(template, source):
    from maps.pages.drawing import tile_origin

    assert tile_origin(template) == source


def test_text_from_data_cannot_become_markup_script_or_template(build_problem, build_plan, account_data):
    names = [HOSTILE, "{{ 7 * 7 }}{% for x in y %}", "<img src=x onerror=alert(1)>", "<!--", "\u2028'\"&amp;"]
    problem = build_problem(
        [-93.0, -92.0, -91, -92, -93], [41.0, 42.0, 41, 41, 42], {"<b>R1": (-93.0, 41.0), "R2": (-91, 41)}, names=names
    )
    html = map_page(problem, build_plan(problem))
    assert "document.title='owned'</script>" not in html
    assert "<img" not in html
    assert "<b>R1" not in html
    assert account_data(html)["name"] == names


def test_the_attribution_of_tiles_is_shown_as_text(midwest, build_plan):
    assert page_data(map_page(midwest, build_plan(midwest)))["tiles"]["attribution"] == "&lt;b&gt;Tiles&lt;/b&gt;"


def test_the_same_plan_gives_the_same_page(midwest, build_plan):
    plan = build_plan(midwest)
    assert map_page(midwest, plan) == map_page(midwest, plan)
    assert map_page(midwest, plan, shapes=territory_shapes(midwest, plan)).count("<tr data-territory") == 5


def test_every_account_is_in_the_page_with_its_territory_measures_and_reason(midwest, build_plan, account_data):
    plan = build_plan(midwest)
    html = map_page(midwest, plan)
    data, accounts = page_data(html), account_data(html)
    assert data["accounts"]["n"] == accounts["n"] == 300
    assert accounts["id"] == midwest.accounts.index.tolist()
    assert accounts["name"] == midwest.accounts["name"].tolist()
    ids = [data["territories"][t]["id"] for t in accounts["territory"]]
    assert ids == plan.assignments["territory_id"].tolist()
    assert np.allclose(accounts["travel"], plan.assignments["travel"], rtol=0.005)
    assert [m["label"] for m in accounts["measures"]] == ["visits", "revenue"]
    assert accounts["reason"] == plan.assignments["reason"].tolist()


def test_the_legend_names_every_territory_with_its_loads_and_deviations(midwest, build_plan):
    plan = build_plan(midwest)
    html = map_page(midwest, plan)
    for _, row in plan.territories.iterrows():
        assert f"Rep {row['rep_id']}" in html
        assert f"{100 * row['visits_deviation']:+.1f}".replace("-", "−") + " %" in html


def test_layers_can_be_switched_and_tiles_are_off(midwest, build_plan):
    html = map_page(midwest, build_plan(midwest))
    for label in ("Territories", "Accounts", "Rep homes", "Street map (needs the network)"):
        assert json.dumps(label) in html
    assert "accounts_element.addTo(map_territories)" in html
    assert "tiles_element.addTo" not in html


def test_accounts_without_a_place_are_counted_not_drawn(build_problem, build_plan):
    problem = build_problem([-93.0, np.nan, -91], [41.0, np.nan, 42], {"R1": (-93.0, 41.0)})
    html = map_page(problem, build_plan(problem))
    assert page_data(html)["accounts"]["n"] == 2
    assert "1 account has no place on the map, but can be found by name or ID." in html


def test_a_planar_problem_is_drawn_without_a_globe(build_problem, build_plan, account_data):
    reps = {"R1": (400_000.0, 5_000_000.0), "R2": (410_000.0, 5_010_000.0)}
    problem = build_problem(np.linspace(4e5, 4.1e5, 30), 5e6 + 1e4 * np.sin(np.arange(30)), reps, planar=True)
    html = map_page(problem, build_plan(problem))
    assert "crs: L.CRS.Simple" in html
    data = page_data(html)
    assert len(data["shapes"]["features"]) == 2
    drawn = account_data(html)
    assert drawn["step"] * max(np.abs(drawn["x"]).max(), np.abs(drawn["y"]).max()) <= 1000.01


def test_an_infeasible_plan_shows_the_accounts_and_the_conflict(midwest, build_infeasible):
    html = map_page(midwest, build_infeasible(midwest))
    data = page_data(html)
    assert data["accounts"]["n"] == 300
    assert data["shapes"]["features"] == []
    assert "R1&#39;s limit is 5,771 &lt;b&gt;" in html
    assert "A tolerance of 13 % on visits." in html


def test_outlines_draw_a_shared_border_once(build_problem, build_plan):
    land = gpd.GeoDataFrame(geometry=[shapely.box(-96, 40, -93, 44), shapely.box(-93, 40, -90, 44)], crs="EPSG:4326")
    problem = build_problem([-95.0, -91.0], [42.5, 42.0], {"R1": (-95.0, 42.0), "R2": (-91.0, 42.0)}, background=land)
    outlines = page_data(map_page(problem, build_plan(problem)))["outlines"]
    length = sum(np.hypot(*np.diff(np.array(line), axis=0).T).sum() for line in outlines)
    assert length == pytest.approx(2 * (6 + 4) + 4, rel=1e-3)


def test_outlines_in_metres_are_refused_with_the_fix(build_problem, build_plan):
    land = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:3857")
    problem = build_problem([-95.0, -91.0], [42.5, 42.0], {"R1": (-95.0, 42.0)}, background=land)
    with pytest.raises(ValueError, match=r"to_crs\('EPSG:4326'\)"):
        map_page(problem, build_plan(problem))


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["R03 is 12.5 km nearer, by 1,200", "R04 is 3 km nearer, by 7"] * 2,
        ["the same"] * 100,
        ["no numbers", "a | bar 5", "7"],
        ["a NUL \x00 5"],
    ],
)
def test_sentences_come_back_as_they_were(texts):
    assert sentences(encode_sentences(texts)) == texts


def test_json_in_a_page_holds_no_character_that_could_end_the_script():
    text = str(script_json({"a": "</script><!-- & \u2028"}))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!-- & \u2028"}


def test_missing_names_fall_back_to_the_id(midwest, build_plan, unpack):
    accounts = midwest.accounts
    accounts.loc["A0000", "name"] = None
    drawn = drawn_accounts(
        midwest, build_plan(midwest), accounts[["longitude", "latitude"]].to_numpy(), np.zeros(300, dtype=np.intp)
    )
    assert unpack(drawn.columns)["name"][0] == ""


def test_a_map_opens_on_the_main_part_and_knows_how_far_the_rest_reaches(build_problem):
    rng = np.random.default_rng(0)
    mainland = rng.uniform((-124, 25), (-67, 49), (3000, 2))
    far = np.array([(-155.0, 20.0), (-150.0, 61.0), (-66.1, 18.4)] * 8 + [(-62.9, 44.6), (-93.0, 15.0)])
    places = np.vstack([mainland, far])
    drawn = Drawing(build_problem(places[:, 0], places[:, 1], {"R1": (-95.0, 40.0)}))
    west, south, east, north = drawn.bounds(places)
    assert drawn.cropped
    assert (west, south, east, north) == pytest.approx((-124, 25, -67, 49), abs=1.5)
    assert drawn.whole[0] < -155
    assert drawn.whole[3] > 61
    whole = Drawing(build_problem(mainland[:, 0], mainland[:, 1], {"R1": (-95.0, 40.0)}))
    assert whole.bounds(mainland) == whole.whole
    assert not whole.cropped
