"""Columns that rules name: found however they are spelled, refused where another may be meant."""

from __future__ import annotations

import pandas as pd
import pytest

from territory_engine.config import parse_config
from territory_engine.errors import InputError
from territory_engine.leads.batch import LeadBatch
from territory_engine.leads.policy import parse_policy
from territory_engine.leads.reading.columns import near_column
from territory_engine.leads.suitability.rule_columns import leads_for_rules, reps_for_rules

CONFIG = parse_config({"data": {"accounts": "a", "reps": "r"}})
REPS = pd.DataFrame({"Segments": ["SMB", "ENT"], "Industry": ["beer", "wine"]}, index=["R1", "R2"])
RULE = {"eligibility": [{"column": "segment", "reps_column": "segments"}]}


def leads(**columns: list[str]) -> LeadBatch:
    n = len(next(iter(columns.values())))
    return LeadBatch(pd.DataFrame({"lead_id": [f"L{i}" for i in range(n)], "country": "US", **columns}), "", {})


def named(batch: LeadBatch, policy: dict[str, object] | None = None) -> pd.DataFrame:
    read = parse_policy(policy or RULE)
    return leads_for_rules(batch, read, CONFIG, reps_for_rules(REPS, read, CONFIG)).frame


@pytest.mark.parametrize("header", ["segment", "Segment", "SEGMENT", " seg-ment ", "Seg_Ment"])
def test_capitals_spaces_underscores_and_hyphens_do_not_matter(header: str) -> None:
    assert named(leads(**{header: ["SMB", "ENT"]}))["segment"].tolist() == ["SMB", "ENT"]


@pytest.mark.parametrize("header", ["Segment__c", "Preferred Segment", "PreferredSegments", "Segmnet"])
def test_a_column_that_may_be_meant_is_refused_with_its_name(header: str) -> None:
    with pytest.raises(InputError) as error:
        named(leads(**{header: ["SMB"]}))
    finding = error.value.findings[0]
    assert "eligibility[1].column" in finding.what
    assert finding.remedy is not None
    assert f'columns.segment = "{header}"' in finding.remedy


def test_a_rule_of_fit_is_as_strict() -> None:
    policy = {"fit": [{"column": "industry", "reps_column": "industry", "factor": 2.0}]}
    assert named(leads(Industry=["beer"]), policy)["industry"].tolist() == ["beer"]
    with pytest.raises(InputError, match=r"fit\[1\]\.column"):
        named(leads(Industry__c=["beer"]), policy)


def test_columns_without_any_that_is_near_stop_nothing() -> None:
    batch = leads(Rating=["Hot"], Lead_Status=["Open"])
    assert leads_for_rules(batch, parse_policy(RULE), CONFIG, REPS) is batch


def test_a_usual_rule_that_nobody_stated_refuses_nothing() -> None:
    assert "segment" not in named(leads(Segment__c=["SMB"]), {"seed": 1}).columns
    assert named(leads(Segment=["SMB"]), {"seed": 1})["segment"].tolist() == ["SMB"]


def test_the_policys_names_serve_leads_that_were_read_without_them() -> None:
    frame = named(leads(Segment__c=["SMB"]), {**RULE, "columns": {"segment": "Segment__c"}})
    assert frame["segment"].tolist() == ["SMB"]


def test_a_name_that_a_canonical_column_is_known_for_is_that_column() -> None:
    policy = {"eligibility": [{"column": "Country Code", "reps_column": "segments"}]}
    frame = named(leads(x=["1"]), policy)
    assert frame["Country Code"].tolist() == frame["country"].tolist() == ["US"]


def test_one_name_in_two_spellings_has_the_first_cell_that_is_not_blank() -> None:
    frame = named(leads(Segment=["SMB", "", "SMB"], segment=["", "ENT", "ENT"]))
    assert frame["segment"].tolist() == ["SMB", "ENT", "ENT"]
    assert "Segment" not in frame.columns


def test_a_column_that_another_rule_names_is_that_rules() -> None:
    rules = [{"column": "segment", "reps_column": "segments"}, {"column": "Segment", "reps_column": "industry"}]
    frame = named(leads(Segment=["SMB"]), {"eligibility": rules})
    assert "segment" not in frame.columns


def test_reps_columns_are_found_as_leniently_and_kept() -> None:
    reps = reps_for_rules(REPS, parse_policy(RULE), CONFIG)
    assert reps["segments"].tolist() == reps["Segments"].tolist()
    assert reps_for_rules(reps, parse_policy(RULE), CONFIG)["segments"].tolist() == ["SMB", "ENT"]


def test_near_columns_are_never_canonical_ones() -> None:
    assert near_column("country group", ["country", "location_source"]) is None
    assert near_column("language", ["Langauge"]) == "Langauge"
    assert near_column("industry", ["Industries"]) == "Industries"
    assert near_column("rating", ["Routing", "Source"]) is None
