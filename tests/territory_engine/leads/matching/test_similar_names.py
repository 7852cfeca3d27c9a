"""Every pair of similar names is found, though few pairs are compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from territory_engine.leads.matching import similar_names
from territory_engine.leads.matching.company_names import numbers_in, sorted_words
from territory_engine.leads.matching.similar_names import SimilarNames

SYLLABLES = ["ka", "ro", "mi", "tel", "bur", "so", "ne", "gra", "li", "x"]
words = st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=5).map("".join)
names = st.lists(words, min_size=1, max_size=5).map(" ".join).map(sorted_words)


@st.composite
def edited(draw: st.DrawFn, name: str) -> str:
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(name)))
        insert = draw(st.booleans())
        name = name[:at] + draw(st.sampled_from("aeklx ")) + name[at:] if insert else name[:at] + name[at + 1 :]
    return " ".join(name.split()) or "a"


@st.composite
def name_lists(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    known = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    queries = [sorted_words(draw(edited(draw(st.sampled_from(known))))) for _ in range(6)]
    return known, queries


def compared_one_by_one(known: list[str], queries: list[str], threshold: float) -> set[tuple[int, int]]:
    return {
        (q, n)
        for q, query in enumerate(queries)
        for n, name in enumerate(known)
        if numbers_in(query) == numbers_in(name) and fuzz.ratio(query, name) >= threshold
    }


@settings(max_examples=60, deadline=None)
@given(name_lists(), st.sampled_from([80.0, 88.0, 92.0, 95.5, 100.0]))
def test_every_pair_above_the_threshold_is_found_as_by_comparing_all(lists, threshold):
    known, queries = lists
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similar_names, "_FEW", 0)  # names are cut into pieces even where there are few
        query, name, score = SimilarNames(known).similar(queries, threshold)
    found = list(zip(query.tolist(), name.tolist(), strict=True))
    assert set(found) == compared_one_by_one(known, queries, threshold)
    assert found == sorted(set(found))
    assert (score >= threshold).all()


def test_names_that_differ_in_a_number_are_never_similar():
    query, _, _ = SimilarNames(["1165 kwik star", "1166 kwik star"]).similar(["1167 kwik star", "kwik star"], 50.0)
    assert len(query) == 0


def test_one_index_answers_for_several_thresholds():
    index = SimilarNames(["acme tools", "akme tools", "other"])
    assert [len(index.similar(["acme tools"], t)[0]) for t in (100.0, 90.0, 100.0)] == [1, 2, 1]


def test_no_queries_and_no_names_give_no_pairs():
    for known, queries in ([], ["a"]), (["a"], []), ([], []):
        query, name, score = SimilarNames(known).similar(queries, 92.0)
        assert len(query) == len(name) == len(score) == 0
        assert query.dtype == np.int64
