"""What a lead's columns are called elsewhere, which of them are about people, and how long a cell may be."""

from __future__ import annotations

import re

LEAD_ALIASES: dict[str, tuple[str, ...]] = {
    "lead_id": ("id", "lead id", "leadid", "record id", "hs_object_id", "case safe id"),
    "account_id": (
        "account id", "converted account id", "convertedaccountid", "associatedcompanyid", "associated company id",
    ),
    "company": ("company name", "account name", "organization", "organisation", "business name", "associated company"),
    "domain": ("email domain", "hs_email_domain", "company domain", "company domain name", "web domain"),
    "email": ("e-mail", "email address", "work email", "business email"),
    "website": ("website url", "url", "company website", "homepage", "web"),
    "postal_code": ("zip", "zip code", "postcode", "postal code", "zip/postal code", "state/zip"),
    "country": ("country code", "country/region"),
    "state": ("state code", "state/province", "state/region"),
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

PERSONAL = frozenset(
    {
        "address2", "birthdate", "birthday", "comment", "comments", "contact", "contactname", "contactperson",
        "dateofbirth", "dob", "description", "email", "email2", "emailaddress", "fax", "faxnumber", "firstname",
        "fullname", "homephone", "jobtitle", "lastname", "leadname", "linkedin", "linkedinurl", "message", "middlename",
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
