"""ISO 3166 codes for what leads say of their country. Codes and English names are those of the IANA time zone data."""

from __future__ import annotations

import functools
import importlib.resources

_ALSO = {
    "UK": "GB", "EL": "GR", "XK": "XK", "U.K.": "GB", "GREAT BRITAIN": "GB", "UNITED KINGDOM": "GB", "ENGLAND": "GB",
    "SCOTLAND": "GB", "WALES": "GB", "NORTHERN IRELAND": "GB", "USA": "US", "U.S.": "US", "U.S.A.": "US",
    "UNITED STATES OF AMERICA": "US", "AMERICA": "US", "840": "US", "DEUTSCHLAND": "DE", "OESTERREICH": "AT",
    "ÖSTERREICH": "AT", "SCHWEIZ": "CH", "SUISSE": "CH", "ESPAÑA": "ES", "ITALIA": "IT", "BELGIE": "BE", "BELGIË": "BE",
    "BELGIQUE": "BE", "NEDERLAND": "NL", "THE NETHERLANDS": "NL", "HOLLAND": "NL", "DANMARK": "DK", "SVERIGE": "SE",
    "NORGE": "NO", "SUOMI": "FI", "POLSKA": "PL", "BRASIL": "BR", "MÉXICO": "MX", "CZECHIA": "CZ", "SOUTH KOREA": "KR",
    "KOREA, REPUBLIC OF": "KR", "REPUBLIC OF KOREA": "KR", "RUSSIAN FEDERATION": "RU", "TURKIYE": "TR", "TÜRKIYE": "TR",
    "VIET NAM": "VN", "HONG KONG SAR": "HK", "UAE": "AE", "TAIWAN, PROVINCE OF CHINA": "TW", "IVORY COAST": "CI",
    "ARE": "AE", "ARG": "AR", "AUS": "AU", "AUT": "AT", "BEL": "BE", "BGR": "BG", "BRA": "BR", "CAN": "CA", "CHE": "CH",
    "CHL": "CL", "CHN": "CN", "COL": "CO", "CZE": "CZ", "DEU": "DE", "DNK": "DK", "ESP": "ES", "EST": "EE", "FIN": "FI",
    "FRA": "FR", "GBR": "GB", "GRC": "GR", "HKG": "HK", "HRV": "HR", "HUN": "HU", "IND": "IN", "IRL": "IE", "ISR": "IL",
    "ITA": "IT", "JPN": "JP", "KOR": "KR", "LTU": "LT", "LUX": "LU", "LVA": "LV", "MEX": "MX", "NLD": "NL", "NOR": "NO",
    "NZL": "NZ", "POL": "PL", "PRT": "PT", "ROU": "RO", "RUS": "RU", "SAU": "SA", "SGP": "SG", "SVK": "SK", "SVN": "SI",
    "SWE": "SE", "THA": "TH", "TUR": "TR", "TWN": "TW", "UKR": "UA", "VNM": "VN", "ZAF": "ZA",
}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def iso_country(text: str) -> str | None:
    """Return the two-letter code of a country.

    Returns
    -------
    str or None
        ``""`` for a blank; None for a code that no country has; a name that is not known comes back in capitals.
    """
    name = " ".join(text.split()).upper()
    if not name:
        return ""
    known = _by_name().get(name)
    if known is not None:
        return known
    is_code = name.isascii() and ((len(name) == 2 and name.isalnum()) or name.isdigit())
    return None if is_code else name


@functools.cache
def _by_name() -> dict[str, str]:
    names = dict(_ALSO)
    text = importlib.resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, name = line.split("\t")
            names[code] = code
            names.setdefault(name.upper(), code)
    return names
