"""Names of companies without what differs between two spellings of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from territory_engine.leads.matching.company_names import company_key, numbers_in, sorted_words

SAME = [
    ("Acme, Inc.", "ACME INCORPORATED", "acme"),
    ("Müller & Söhne GmbH & Co. KG", "Muller and Sohne", "muller and sohne"),
    ("Société Générale S.A.", "SOCIETE GENERALE SA", "societe generale"),
    ("Barilla S.p.A.", "Barilla SpA", "barilla"),
    ("Philips B.V.", "philips bv", "philips"),
    ("Nokia Oyj", "NOKIA", "nokia"),
    ("Volvo AB", "Volvo (publ)", "volvo"),
    ("Sony K.K.", "Sony Kabushiki Kaisha", "sony"),
    ("トヨタ自動車株式会社", "トヨタ自動車", "トヨタ自動車"),
    ("Novo Nordisk A/S", "NOVO NORDISK AS", "novo nordisk"),
    ("Grupo Bimbo, S.A.B. de C.V.", "Grupo Bimbo", "grupo bimbo"),
    ("Orlen Sp. z o.o.", "ORLEN", "orlen"),
    ("Škoda Auto a.s.", "Skoda Auto", "skoda auto"),
    ("Widgets Pty Ltd", "Widgets Pty. Limited", "widgets"),
    ("The Casey's General Store", "CASEYS GENERAL STORE", "caseys general store"),
    ("Łódź Trading", "Lodz Trading", "lodz trading"),
    ("KWIK STAR #01165 / SIBLEY", "Kwik Star 1165 Sibley", "kwik star 1165 sibley"),
    ("ACME LLC / DES MOINES", "Acme, Des Moines", "acme des moines"),
    ("A.B.C. Plumbing", "ABC Plumbing", "abc plumbing"),
]


@pytest.mark.parametrize(("first", "second", "key"), SAME)
def test_spellings_of_one_company_have_one_key(first, second, key):
    assert company_key(first) == company_key(second) == key


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("KWIK STAR #1165", "KWIK STAR #1166"),
        ("Acme Group", "Acme"),
        ("Riverside Day Spa", "Riverside Day"),
        ("ガス", "カス"),
        ("Acme Iowa", "Acme"),
    ],
)
def test_different_companies_keep_different_keys(first, second):
    assert company_key(first) != company_key(second)


@pytest.mark.parametrize("name", ["Inc", "The", "GmbH & Co. KG", "Co", "AG"])
def test_a_name_that_is_all_legal_form_keeps_something(name):
    assert company_key(name)


def test_a_name_without_letters_or_digits_has_no_key():
    assert [company_key(name) for name in ("", "  ", "---", "🙂", "!?")] == [""] * 5


@given(st.text(max_size=60))
def test_any_text_has_a_key_that_is_its_own_key_after_sorting_words(name):
    key = company_key(name)
    assert key == " ".join(key.split())
    assert sorted(sorted_words(key).split(" ")) == sorted(key.split(" "))


def test_numbers_are_the_words_with_a_digit():
    assert numbers_in("7 eleven store 12b") == ("12b", "7")
