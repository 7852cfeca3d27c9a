"""What a lead's columns are called elsewhere, which of them are about people, and how long a cell may be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from territory_engine.reading.columns import missing_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from territory_engine.errors import Finding

LEAD_ALIASES: dict[str, tuple[str, ...]] = {
    "lead_id": ("id", "lead id", "leadid", "record id", "hs_object_id", "case safe id"),
    "account_id": (
        "account id", "converted account id", "convertedaccountid", "associatedcompanyid", "associated company id",
    ),
    "company": ("company name", "account name", "company / account", "company/account", "organization", "organisation", "business name", "associated company"),
    "domain": ("email domain", "hs_email_domain", "company domain", "company domain name", "web domain"),
    "email": ("e-mail", "email address", "work email", "business email"),
    "website": ("website url", "url", "company website", "homepage", "web"),
    "postal_code": ("zip", "zip code", "postcode", "postal code", "zip/postal code", "state/zip", "zip/postal"),
    "country": ("country code", "country/region", "country (text only)"),
    "state": ("state code", "state/province", "state/region", "state/province (text only)"),
    "latitude": ("lat",),
    "longitude": ("lon", "lng", "long"),
    "score": ("lead score", "hubspot score", "hubspotscore"),
    "value": ("lead value", "estimated value", "expected value"),
    "created_at": ("created date", "createdate", "create date", "created on", "created"),
}  # fmt: skip
"""Accepted names per canonical column of a lead, in order of preference; case, spaces and underscores do not matter.

The first block of names in each row is what Salesforce's Lead and HubSpot's Contact export.
"""

ALWAYS = ("account_id", "company", "domain", "postal_code", "country")
"""Text columns that every batch has besides ``lead_id``."""

LeadColumns = Mapping[str, "str | Sequence[str]"]
"""Canonical name = the file's own, or several that it may be."""

PERSONAL = frozenset(
    {
        "address2", "birthdate", "birthday", "comment", "comments", "contact", "contactname", "contactperson",
        "dateofbirth", "dob", "description", "email", "email2", "emailaddress", "fax", "faxnumber", "firstname",
        "fullname", "homephone", "jobtitle", "lastname", "leadname",  "linkedin", "linkedinurl", "message", "middlename",
        "mobile", "mobilenumber", "mobilephone", "mobilephonenumber", "nickname", "notes", "otherphone", "personname",
        "phone", "phonenumber", "photourl", "salutation", "secondaryemail", "surname", "telephone", "title", "website",
        "workemail", "workphone",
    }
)  # fmt: skip
"""Columns that are dropped as they are read: about people, or free text that may be. Compared as :func:`column_key`."""

NAMES_OF_PEOPLE = frozenset({"firstname", "lastname", "surname", "salutation", "fullname"})
"""Where one of these is there, a bare ``name`` is a person's."""

LONGEST = {"lead_id": 200, "account_id": 200, "company": 500, "postal_code": 40, "country": 80}
"""Characters a cell may have; other columns :data:`LONGEST_OTHER`."""

LONGEST_OTHER = 2_000

_ABOUT_PEOPLE = (
    "email", "emailaddress", "phone", "phonenumber", "mobile", "firstname", "lastname", "contactname",
)  # fmt: skip
"""Columns that begin or end so are about people as well: ``contact_email``, ``cell phone``, ``Phone 2``."""

_SEPARATORS = re.compile(r"[\s_\-.]+")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NEAR = 0.8


def column_key(name: str) -> str:
    """Return a column's name without case, spaces, underscores and hyphens."""
    return _SEPARATORS.sub("", name).casefold()


def is_personal(name: str) -> bool:
    """Whether a column of this name is about a person, so that it is dropped."""
    key = column_key(name)
    if key in PERSONAL:
        return True
    key = key.rstrip("0123456789")
    return key.startswith(_ABOUT_PEOPLE) or key.endswith(_ABOUT_PEOPLE)


def own_names(columns: LeadColumns, there: Sequence[str], file: str) -> tuple[dict[str, str], list[Finding]]:
    """Return what a file calls the columns that are told, and findings for those that it has under none of the names.

    A file that has a column of the canonical name needs no other.
    """
    keys = {column_key(column): column for column in reversed(there)}
    own: dict[str, str] = {}
    findings = []
    for canonical, told in columns.items():
        names = (told,) if isinstance(told, str) else tuple(told)
        found = next((name for name in names if name in there), None)
        found = found or next((keys[column_key(name)] for name in names if column_key(name) in keys), None)
        if found is not None:
            own[canonical] = found
        elif column_key(canonical) not in keys:
            finding = missing_column(names[0], list(there), file, f"columns.{canonical}")
            if len(names) > 1:
                listed = ", ".join(map(repr, names))
                finding = replace(finding, what=f"has none of the columns {listed}, which columns.{canonical} names")
            findings.append(finding)
    return {canonical: name for canonical, name in own.items() if canonical != name}, findings


def canonical_of(name: str) -> str | None:
    """Return the canonical column that a name is known for, or None."""
    return _known().get(column_key(name))


def near_column(name: str, columns: Iterable[str]) -> str | None:
    """Return the column that somebody who wrote ``name`` may have meant, or None.

    Those that have all its words come first (``Segment__c`` and ``Preferred Segment`` for ``segment``), then those whose
    words it has, then those that are spelled almost like it. Canonical columns are none of them.
    """
    own = [column for column in columns if column not in LEAD_ALIASES and column != "location_source"]
    words = _words(name)
    for column in own:
        if words and words <= _words(column):
            return column
    for column in own:
        others = _words(column)
        if others and others <= words:
            return column
    spelled = {"".join(_words_in_order(column)): column for column in reversed(own)}
    near = difflib.get_close_matches("".join(_words_in_order(name)), spelled, n=1, cutoff=_NEAR)
    return spelled[near[0]] if near else None


def _words(name: str) -> frozenset[str]:
    return frozenset(_words_in_order(name))


def _words_in_order(name: str) -> list[str]:
    """Return a name's words in lower case and in the singular, without the suffix that Salesforce gives custom fields."""
    plain = _HUMP.sub(" ", name.removesuffix("__c").removesuffix("__C"))
    return [_singular(word) for word in _WORDS.findall(plain.casefold())]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _known() -> dict[str, str]:
    return {column_key(name): column for column, names in LEAD_ALIASES.items() for name in (column, *names)}
