"""map.html with real clicks and keys: details, colours, names, search, addresses, layers, spots, paper."""

from __future__ import annotations

import numpy as np
import pytest

from maps import write_map

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=\"document.title='owned'\">"
BOXES = """() => [...document.querySelectorAll(".name-label:not([hidden])")].map((label) => {
  const box = label.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Five territories with an earlier alignment, an account whose name is markup, one with accents, four at one spot."""
    from tests.maps.conftest import build_plan, build_problem

    rng = np.random.default_rng(0)
    reps = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0), "R3": (-95.0, 42.5), "R4": (-92.5, 43.0), "R5": (-94.5, 40.8)}
    names = [MARKUP, "Muñoz Hardware", *(f"Account {i}" for i in range(2, 200))]
    x, y = rng.uniform(-96, -90, 200), rng.uniform(40.5, 43.5, 200)
    x[10:14], y[10:14] = -93.2, 41.4
    problem = build_problem(
        x, y, reps, names=names,
        extra={"owner": np.array([*reps, ""])[rng.integers(0, 6, 200)]}, config={"disruption": {"current": "owner"}},
    )  # fmt: skip
    plan = build_plan(problem)
    path = tmp_path_factory.mktemp("map") / "map.html"
    write_map(problem, plan, path)
    return path, plan


def fill(page, t):
    return page.evaluate(f"shapeOf.get({t}).options.fillColor")


def click_territory(page, t):
    """Click into a territory where no account is near."""
    at = page.evaluate(
        """(t) => {
          const box = map.getContainer().getBoundingClientRect(), shape = shapeOf.get(t).getElement(), bounds = shape.getBoundingClientRect();
          for (let x = bounds.left + 5; x < bounds.right; x += 7) for (let y = bounds.top + 5; y < bounds.bottom; y += 7) {
            if (document.elementFromPoint(x, y) !== shape) continue;
            if (accounts_element.at(map.containerPointToLatLng([x - box.left, y - box.top])) < 0) return [x, y];
          }
        }""",
        t,
    )
    page.mouse.click(*at)


def test_a_click_into_a_territory_opens_what_the_plan_says_of_it(drawn, visit):
    path, plan = drawn
    with visit(path) as seen:
        for t, (territory_id, row) in enumerate(plan.territories.head(2).iterrows()):
            click_territory(seen.page, t)
            details = seen.page.locator("#details")
            told = details.inner_text()
            assert details.locator("h2").inner_text() == f"Rep {territory_id}"
            assert f"{row['accounts']} accounts" in told
            assert f"{row['visits']:,.0f} visits, {abs(100 * row['visits_deviation']):.1f} %" in told
            assert ("What more room would save" in told) == (territory_id == "R1" and "Room for" in told)
            gained = (plan.assignments["territory_id"] == territory_id) & (
                plan.assignments["previous_rep_id"] != territory_id
            )
            assert f"Gained {gained.sum()} accounts" in told
            assert f"Rep {territory_id}" in seen.page.locator("#announce").inner_text()
        details.locator(".chip").first.click()
        assert details.locator("h2").inner_text() != "Rep R2"


def test_the_keyboard_opens_a_territory_walks_on_and_comes_back(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        page.locator(".legend tbody button").nth(2).focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "details-name"
        assert page.locator("#details h2").inner_text() == "Rep R3"
        assert "territory=R3" in page.url
        page.keyboard.press("Escape")
        assert page.locator("#details").is_hidden()
        assert page.evaluate("document.activeElement.closest('tr').dataset.territory") == "2"
        assert "territory" not in page.url


def test_the_largest_accounts_lead_to_their_cards(drawn, visit):
    path, plan = drawn
    with visit(path, fragment="territory=R1") as seen:
        first = seen.page.locator("#details .top button").first
        name = first.locator("span").inner_text()
        first.click()
        card = seen.page.locator(".leaflet-popup .account")
        assert card.locator("strong").inner_text() == name
        account = seen.page.evaluate("address.get('account')")
        assert plan.assignments.loc[account, "territory_id"] == "R1"
        assert card.locator("p").inner_text().startswith("R1 is the nearest rep")


def test_colours_say_what_the_data_say(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        own = [fill(page, t) for t in range(5)]
        for index in range(len(page.evaluate("plan.colourings"))):
            page.locator(".key select").select_option(index=index + 1)
            wanted = page.evaluate(f"plan.colourings[{index}].classes.map((k) => plan.colourings[{index}].steps[k][0])")
            assert [fill(page, t) for t in range(5)] == wanted
            assert page.locator(".steps li").count() == len(page.evaluate(f"plan.colourings[{index}].steps"))
        page.locator(".key select").select_option("")
        assert [fill(page, t) for t in range(5)] == own
        assert page.locator(".steps").is_hidden()


def test_the_search_finds_reps_first_and_accounts_without_their_accents(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        page.keyboard.press("/")
        page.keyboard.type("munoz")
        page.locator("#found [role=option]").wait_for()
        assert page.locator("#found .name").all_inner_texts() == ["Muñoz Hardware"]
        find = page.locator("#find")
        find.fill("r2")
        seen.wait_until("answered === 'r2'")
        assert page.locator("#found .name").first.inner_text() == "Rep R2"
        assert find.get_attribute("aria-expanded") == "true"
        assert find.get_attribute("aria-activedescendant") == "found-0"
        page.keyboard.press("Enter")
        assert page.locator("#details h2").inner_text() == "Rep R2"
        find.fill("account 1")
        seen.wait_until("answered === 'account 1'")
        assert page.locator("#find-count").inner_text() == "110 found, the first 12 shown"
        page.keyboard.press("ArrowDown")
        assert find.get_attribute("aria-activedescendant") == "found-1"
        page.keyboard.press("Escape")
        assert find.get_attribute("aria-expanded") == "false"
        find.fill("xyzzy")
        seen.wait_until("answered === 'xyzzy'")
        assert "Nothing" in page.locator("#find-count").inner_text()


@pytest.mark.parametrize("key", ["Enter", "ArrowDown"])
def test_keys_that_come_before_the_search_act_on_what_was_typed(key, drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        page.locator("#find").fill("r1")
        seen.wait_until("answered === 'r1'")
        # In one go, as on a large map by somebody who types fast: letters and a key before the page has searched.
        page.evaluate(f"""find.value = "r2"; find.dispatchEvent(new Event("input"));
                          find.dispatchEvent(new KeyboardEvent("keydown", {{key: "{key}", cancelable: true}}))""")
        assert page.locator("#found .name").first.text_content() == "Rep R2"
        opened = page.locator("#details h2")
        assert (opened.inner_text() == "Rep R2") if key == "Enter" else not opened.is_visible()


def test_an_account_without_a_place_is_found_and_tells_whose_it_is(build_problem, build_plan, visit, tmp_path):
    x, y = np.linspace(-95, -91, 40), np.full(40, 41.5)
    x[7] = y[7] = np.nan
    reps = {"R1": (-93.0, 41.0), "R2": (-91.0, 42.0)}
    problem = build_problem(x, y, reps, names=[MARKUP if i == 7 else f"Account {i}" for i in range(40)])
    plan = build_plan(problem)
    write_map(problem, plan, tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        page = seen.page
        seen.wait_until("accounts.unplaced.n === 1")
        page.keyboard.press("/")
        page.keyboard.type("<img")
        seen.wait_until("answered === '<img'")
        assert page.locator("#found li .name").all_inner_texts() == [MARKUP]
        page.keyboard.press("Enter")
        told = page.locator(".leaflet-popup").inner_text()
        assert MARKUP in told
        assert "It has no place on the map" in told
        assert plan.assignments["reason"].iloc[7].rstrip(".") in told
        assert f"Rep {plan.assignments['rep_id'].iloc[7]}" in told
        assert page.locator("#details h2").inner_text() == f"Rep {plan.assignments['rep_id'].iloc[7]}"
        fragment = page.url.split("#")[1]
    assert "account=A0007" in fragment
    with visit(tmp_path / "map.html", fragment=fragment) as seen:
        assert seen.page.locator(".leaflet-popup").inner_text() == told
    with visit(tmp_path / "map.html", fragment="account=A0007") as seen:
        assert MARKUP in seen.page.locator(".leaflet-popup").inner_text()


def test_what_is_called_exactly_so_is_found_first_and_names_are_found_as_they_are_read(
    build_problem, build_plan, visit, tmp_path
):
    odd = [
        ("casey's store", "Casey’s\u00a0Store"), ("two spaces", "two  spaces"), ("line break", "line\nbreak"),
        ("tab here", "tab\there"), ("ΟΔΟΣ", "ΟΔΟΣΑ"), ("strasse", "Hohe Straße"), ("fish", "ﬁsh"), ("full", "ＦＵＬＬ"),
        ("zero width", "zero\u200b width"), ("e" * 60 + "n", "e" * 60 + "ñ"), ("ends in a blank", "Ends in a blank "),
    ]  # fmt: skip
    names = [name for _, name in odd] + [f"Shop {k}" for k in range(30, 0, -1)]
    n = len(names)
    problem = build_problem(np.linspace(-95, -91, n), np.full(n, 41.5), {"Shop": (-93.0, 41.0)}, names=names)
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    with visit(tmp_path / "map.html") as seen:
        first = seen.page.locator("#found .name").first

        def search(text):
            seen.page.locator("#find").fill(text)
            seen.wait_until(f"answered === {text!r}" if "'" not in text else f'answered === "{text}"')
            return first.text_content()

        for wanted, name in odd:
            assert search(wanted) == name, wanted
        assert search("shop 1") == "Shop 1"
        assert search("Shop 3") == "Shop 3"
        assert search("shop") == "Rep Shop"


def test_markup_in_a_name_stays_text_wherever_it_is_shown(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        page.locator("#find").fill("<img")
        page.locator("#found [role=option]").wait_for()
        assert page.locator("#found .name").inner_text() == MARKUP
        page.keyboard.press("Enter")
        assert page.locator(".leaflet-popup strong").inner_text() == MARKUP
        assert page.locator("#found img, .leaflet-popup .account img, #details img").count() == 0
        assert page.title() == "5 sales territories"


def test_a_link_opens_what_was_clicked_together(drawn, visit):
    path, _ = drawn
    with visit(path) as seen:
        page = seen.page
        page.locator(".legend tbody button").nth(3).click()
        page.locator(".key select").select_option("load:visits")
        page.locator("#details .top button").nth(1).click()
        page.wait_for_timeout(500)
        fragment = page.url.split("#")[1]
        view = page.evaluate("[map.getCenter().lat, map.getCenter().lng, map.getZoom()]")
        card = page.locator(".leaflet-popup strong").inner_text()
    assert "territory=R4" in fragment
    assert "colour=load:visits" in fragment
    with visit(path, fragment=fragment) as seen:
        page = seen.page
        assert page.locator("#details h2").inner_text() == "Rep R4"
        assert page.locator(".key select").input_value() == "load:visits"
        assert page.locator(".leaflet-popup strong").inner_text() == card
        assert page.evaluate("[map.getCenter().lat, map.getCenter().lng, map.getZoom()]") == pytest.approx(
            view, abs=2e-3
        )


@pytest.mark.parametrize(
    "fragment", ["territory=NO&colour=no&account=no&at=1,2", "%%%&&==", "at=x,NaN,1e99", "lose_r03"]
)
def test_an_address_that_names_nothing_does_no_harm(fragment, drawn, visit):
    with visit(drawn[0], fragment=fragment) as seen:
        assert seen.page.locator("#details").is_hidden()
        assert seen.page.locator(".legend").is_visible()


def test_the_back_button_returns_to_the_territory_before(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        for n in (0, 1):
            page.evaluate(f"choose({n}, true)")
        page.go_back()
        seen.wait_until("document.querySelector('#details h2')?.textContent === 'Rep R1'")


def test_names_never_cover_each_other_and_more_show_where_there_is_room(build_problem, build_plan, visit, tmp_path):
    rng = np.random.default_rng(3)
    homes = rng.uniform([-96, 40.5], [-90, 43.5], (44, 2))
    reps = {f"Representative {k:02d}": tuple(place) for k, place in enumerate(homes.tolist())}
    problem = build_problem(rng.uniform(-96, -90, 300), rng.uniform(40.5, 43.5, 300), reps)
    write_map(problem, build_plan(problem), tmp_path / "map.html")
    shown = []
    with visit(tmp_path / "map.html") as seen:
        for closer in (0, 1, 2.5):
            seen.page.evaluate(f"map.setZoom(plan.fitZoom + {closer}, {{animate: false}})")
            boxes = np.array(seen.page.evaluate(BOXES))
            shown.append(seen.page.evaluate("names_element.boxes.length"))
            assert 0 < len(boxes) <= shown[-1]
            apart = (boxes[:, None, :2] >= boxes[None, :, 2:]).any(axis=2)
            apart |= apart.T
            np.fill_diagonal(apart, True)
            assert apart.all()
            houses = seen.page.locator(".house").count()
            assert houses == 0 if closer < 2.5 else 0 < houses < 44
        seen.page.locator(".leaflet-marker-icon .house").first.locator("xpath=..").focus()
        seen.page.evaluate("() => { map.panBy([9000, 9000], {animate: false}); }")
        assert seen.page.locator(".house").count() == 1, "the one that has the keyboard keeps it"
    assert 0 < shown[0] < 44
    assert shown == sorted(shown)
    assert shown[-1] > shown[0]


def test_the_list_sorts_by_any_column(drawn, visit):
    path, plan = drawn
    with visit(path) as seen:
        header = seen.page.locator(".legend thead th").nth(1)
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        counts = [int(t) for t in seen.page.locator(".legend tbody td:nth-child(2)").all_inner_texts()]
        assert counts == sorted(plan.territories["accounts"], reverse=True)
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == "ascending"


def test_layers_switch_and_several_accounts_at_one_spot_are_listed(drawn, visit):
    with visit(drawn[0]) as seen:
        page = seen.page
        for label in page.locator(".leaflet-control-layers-overlays label").all():
            label.click()
        assert page.locator(".name-label, .house, path.leaflet-interactive").count() == 0
        for label in page.locator(".leaflet-control-layers-overlays label").all():
            label.click()
        page.evaluate("map.setView(accounts.latLng(10), plan.fitZoom + 5, {animate: false}); pin(10, true)")
        listed = page.locator(".spot li button")
        assert listed.count() == 4
        listed.first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator(".leaflet-popup strong").inner_text() == "Account 11"
        page.locator(".leaflet-popup button.plain").click()
        assert page.locator(".spot li button").count() == 4
        page.keyboard.press("Escape")
        page.locator(".leaflet-popup").wait_for(state="detached")


@pytest.mark.parametrize("size", [(1400, 900), (390, 800)])
def test_details_and_key_keep_to_wcag_on_a_desk_and_on_a_phone(size, drawn, visit, axe, keep_picture):
    with visit(drawn[0], size=size, fragment="territory=R2&colour=visits") as seen:
        axe(seen.page)
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keep_picture(seen.page, f"territory_map_details_{size[0]}")


def test_map_and_list_print_on_one_sheet(drawn, visit, printed):
    with visit(drawn[0], fragment="colour=visits") as seen:
        sheets = printed(seen.page, "territory_map", landscape=True)
        assert len(sheets.texts) == 1
        assert "Rep R5" in sheets.texts[0]
        assert "Colour by" not in sheets.texts[0]
