"""Whose a lead is: by account, domain, name and place, and what is left to people."""

from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from territory_engine.geography.sphere import great_circle_km
from territory_engine.leads.matching.known_accounts import AccountIndex
from territory_engine.leads.matching.matching import match
from territory_engine.leads.policy import Matching
from territory_engine.leads.reading.loading import leads_of_records

ACCOUNTS = [
    # account_id, name, website, postal_code, latitude, longitude, rep
    ("A1", "Acme Tools Inc", "https://www.acme.com", "50010", 42.00, -93.60, "R1"),
    ("A2", "Blue River Bakery", "", "50010", 42.01, -93.61, "R1"),
    ("A3", "Green Valley Foods LLC", "greenvalley.co.uk", "52240", 41.66, -91.53, "R2"),
    ("K1", "Kwik Star #1165", "kwikstar.com", "52241", 41.70, -91.60, "R2"),
    ("K2", "Kwik Star #1166", "kwikstar.com", "50309", 41.59, -93.62, "R3"),
    ("C1", "Corner Mart", "", "50309", 41.60, -93.63, "R3"),
    ("C2", "Corner Mart", "", "52240", 41.67, -91.54, "R2"),
    ("C3", "Corner Mart", "", "52001", 42.50, -90.66, "R2"),
    ("001xx000003DGb1", "Salesforce Customer", "", "", np.nan, np.nan, ""),
    ("M1", "Mail Customer", "gmail.com", "", np.nan, np.nan, "R3"),
]


def index_of(rows, units=None, unit_territory=None):
    columns = ["account_id", "name", "website", "postal_code", "latitude", "longitude", "rep"]
    accounts = pd.DataFrame(rows, columns=columns).set_index("account_id")
    territory = accounts["rep"].replace("", "T9")
    assignments = pd.DataFrame({"territory_id": territory, "rep_id": accounts["rep"]}, index=accounts.index)
    reps = sorted(set(territory))
    territories = pd.DataFrame({"rep_id": [r if r != "T9" else "" for r in reps]}, index=reps)
    problem = SimpleNamespace(accounts=accounts, units=units, config=SimpleNamespace(contiguity=None))
    plan = SimpleNamespace(assignments=assignments, territories=territories, units=unit_territory)
    return AccountIndex.of(problem, plan)


@pytest.fixture(scope="module")
def index():
    return index_of(ACCOUNTS)


def match_one(index, policy=None, **fields):
    found = match(leads_of_records([{"lead_id": "L", **fields}]), index, policy or Matching())
    return SimpleNamespace(**{k: getattr(found, k)[0] for k in vars(found)})


def test_an_account_id_comes_first_and_another_owner_is_mentioned(index):
    found = match_one(index, account_id="A3", website="acme.com", company="Corner Mart")
    assert (found.kind, found.account_id, found.rep_id, found.territory_id) == ("account_id", "A3", "R2", "R2")
    assert found.evidence == (
        "it names account A3 (Green Valley Foods LLC) (its domain would be that of account A1 (Acme Tools Inc) of rep R1)"
    )


def test_both_spellings_of_a_salesforce_id_are_one_account_and_a_territory_may_have_no_rep(index):
    found = match_one(index, account_id="001xx000003DGb1AAG")
    assert (found.account_id, found.rep_id, found.territory_id) == ("001xx000003DGb1", "", "T9")


def test_an_unknown_account_is_told_and_the_next_kind_of_match_is_tried(index):
    found = match_one(index, account_id="gone", website="acme.com")
    assert (found.kind, found.account_id) == ("domain", "A1")
    assert found.evidence.startswith(
        "the account it names, gone, is not in the plan; its e-mail or web domain acme.com"
    )


def test_a_mail_providers_domain_matches_nobody(index):
    assert match_one(index, email="jo@gmail.com").kind == "none"


def test_a_domain_of_several_owners_is_decided_by_the_name_and_else_ambiguous(index):
    assert match_one(index, website="kwikstar.com").kind == "ambiguous"
    found = match_one(index, website="kwikstar.com", company="KWIK STAR 1166")
    assert (found.kind, found.account_id) == ("domain", "K2")


def test_a_domain_of_several_owners_is_decided_by_the_postal_code(index):
    assert match_one(index, website="kwikstar.com", postal_code="50309-1234").account_id == "K2"


@pytest.mark.parametrize("name", ["ACME TOOLS, LLC", "The Acme Tools Incorporated", "Tools Acme", "Acme Toolz"])
def test_a_name_matches_whatever_its_legal_form_order_or_a_small_slip(index, name):
    found = match_one(index, Matching(company_threshold=88), company=name)
    assert (found.kind, found.account_id, found.rep_id) == ("company", "A1", "R1")
    assert found.score >= 88


def test_a_name_below_the_threshold_is_not_the_same(index):
    assert match_one(index, company="Acme Toolz").kind == "none"


def test_stores_of_a_chain_are_told_apart_by_their_number(index):
    assert match_one(index, company="KWIK STAR #1165").account_id == "K1"
    assert match_one(index, company="KWIK STAR #1167").kind == "none"


def test_a_name_of_several_owners_is_ambiguous_and_the_evidence_says_whose_it_could_be(index):
    found = match_one(index, company="Corner Mart")
    assert (found.kind, found.rep_id, found.account_id) == ("ambiguous", "", "")
    assert "account C1 (Corner Mart) of rep R3, account C2 (Corner Mart) of rep R2" in found.evidence


def test_an_ambiguous_name_is_decided_by_the_only_owner_nearby(index):
    near = match_one(index, company="Corner Mart", latitude=41.603, longitude=-93.63)
    assert (near.kind, near.account_id) == ("company", "C1")
    assert match_one(index, company="Corner Mart", postal_code="52001").account_id == "C3"


def test_a_second_owner_within_the_margin_makes_a_similar_name_ambiguous():
    rows = [
        ("1", "Northern Lights Bakery", "", "", 42, -93, "R1"),
        ("2", "Northern Light Bakeri", "", "", 42, -93, "R2"),
    ]
    index = index_of(rows)
    assert match_one(index, company="Northern Light Bakery").kind == "ambiguous"
    assert match_one(index, Matching(company_margin=0), company="Northern Lights Bakry").account_id == "1"


def test_what_the_policy_ignores_is_not_matched(index):
    assert match_one(index, Matching(owner="ignore"), account_id="A1").kind == "none"
    assert match_one(index, Matching(territory="ignore"), postal_code="50010").kind == "none"


def test_a_postal_code_of_one_territory_decides_and_one_of_several_does_not(index):
    found = match_one(index, postal_code="50010")
    assert (found.kind, found.rep_id) == ("postal_code", "R1")
    assert found.evidence == "both accounts in its postal code 50010 are in territory R1"
    assert (
        match_one(index_of([*ACCOUNTS, ("X", "X", "", "50010", 42, -93, "R3")]), postal_code="50010").kind
        != "postal_code"
    )


def test_the_nearest_account_decides_within_reach_only(index):
    found = match_one(index, latitude=42.0, longitude=-93.65)
    assert (found.kind, found.account_id, found.rep_id) == ("nearest_account", "A2", "R1")
    assert found.evidence == "the nearest account, A2 (Blue River Bakery) (3.5 km), is in territory R1"
    far = match_one(index, latitude=48.0, longitude=-100.0)
    assert (far.kind, far.rep_id) == ("none", "")
    assert "more than 100 km" in far.evidence


def test_the_nearest_account_is_that_of_brute_force():
    rng = np.random.default_rng(3)
    places = np.column_stack((rng.uniform(-80, 80, 60), rng.uniform(-180, 180, 60)))
    index = index_of([(f"A{i}", "", "", "", a, b, f"R{i % 7}") for i, (a, b) in enumerate(places)])
    at = np.column_stack((rng.uniform(-80, 80, 40), rng.uniform(-180, 180, 40)))
    batch = leads_of_records(
        [{"lead_id": str(i), "latitude": a, "longitude": b} for i, (a, b) in enumerate(at.tolist())]
    )
    found = match(batch, index, Matching(territory_reach_km=1e5))
    for i, place in enumerate(at):
        if i not in batch.rejected:
            nearest = great_circle_km(np.tile(place, (60, 1)), places).argmin()
            assert found.account_id[i] == f"A{nearest}"


def test_a_unit_decides_by_name_or_by_place():
    ids = pd.Index(["u1", "u2"])
    shapes = gpd.GeoSeries([box(-94, 41, -93, 43), box(-93, 41, -91, 43)], index=ids, crs=4326)
    units = SimpleNamespace(ids=ids, geometry=shapes)
    index = index_of(ACCOUNTS, units, pd.DataFrame({"territory_id": ["R1", "R2"]}, index=ids))
    found = match_one(index, latitude=42.0, longitude=-92.0)
    assert (found.kind, found.territory_id, found.rep_id) == ("unit", "R2", "R2")
    assert found.evidence == "it lies in unit u2, which is in territory R2"
    assert match_one(index, unit_id="u1").evidence == "it names unit u1, which is in territory R1"
    assert match_one(index, unit_id="u9", postal_code="50010").evidence.startswith("it lies in unit u1")
    assert match_one(index, latitude=42.0, longitude=-90.9, postal_code="52001").kind == "postal_code"


def test_a_plan_without_assignments_or_places_matches_nothing():
    nothing = index_of([])
    assert (
        match_one(nothing, account_id="A1", website="acme.com", company="Acme", latitude=42, longitude=-93).kind
        == "none"
    )
    flat = index_of([("A", "Acme", "", "", np.nan, np.nan, "R1")])
    assert "no account of the plan has a place" in match_one(flat, latitude=42, longitude=-93).evidence


def test_an_empty_batch_has_empty_matches(index):
    found = match(leads_of_records([]), index, Matching())
    assert len(found.kind) == len(found.evidence) == len(found.score) == 0


@pytest.mark.parametrize("company", ["=cmd|' /C calc'!A0", "<script>", "🙂", "\u202eemca", "a\x00", "x" * 500, "---"])
def test_odd_names_match_nobody_and_break_nothing(index, company):
    assert match_one(index, company=company).kind == "none"
