"""Company names without what differs between two spellings of one company: case, accents, punctuation, legal forms.

Numbers stay, for two stores of a chain differ in nothing else. Decision 0011 says why the legal forms are listed here.
"""

from __future__ import annotations

import functools
import re
import unicodedata

_FORMS = """
    inc | incorporated | corp | corporation | co | company | llc | l l c | lc | ltd | limited | lp | llp | lllp |
    plc | pllc | pc | pbc | pty ltd | pty | pvt ltd | private limited | pte ltd | pte | ulc | cic |
    public limited company | limited liability company | ltee | ltd co | co ltd | unlimited | gmbh | mbh | ag | kg |
    kgaa | ohg | ug | e k | ev | e v | gbr | partg | partg mbb | kgmbh | haftungsbeschrankt | ug haftungsbeschrankt |
    gesmbh | ges mbh | und co | und co kg | and co kg | and co | and company | sa | s a | sas | sasu | sarl | eurl |
    snc | sca | sci | scs | srl | s r l | s p a | sl | s l | slu | sau | slp | sapa | sc de rl | s de rl |
    s de rl de cv | sa de cv | sapi de cv | sab de cv | de cv | ltda | lda | eireli | eirl | cia | cia ltda | bv |
    b v | nv | n v | vof | bvba | sprl | vzw | asbl | oy | oyj | ab | publ | hb | as | asa | a s | aps | amba | ans |
    ehf | sro | s r o | spol s r o | akc spol | sp z o o | sp z oo | sp zoo | spolka z o o | sp k | sp j |
    spolka akcyjna | kft | zrt | nyrt | doo | d o o | ead | ood | eood | srl d | uab | sia | ooo | oao | zao | pao |
    pjsc | jsc | tov | as oy | kk | k k | gk | yk | kabushiki kaisha | godo kaisha | yugen kaisha | co ltd kk |
    sdn bhd | bhd | tbk | jsc llc | fze | fzco | fz llc | wll | saoc | saog
"""
"""What says how a company is owned, at the end of its name. Left out are those that end other names too: SE (Portland SE), ME
(Maine), AD, SS, and SpA in capitals or small letters (Day Spa)."""
_LEADING = ("the", "ooo", "oao", "zao", "pao", "kabushiki kaisha", "godo kaisha")
_MORE_THAN_A_FORM = frozenset(
    {"me", "ss", "ad", "ou", "bt", "rt", "dd", "pc", "cv", "as", "hf", "ek", "eg", "psc", "sl"}
)
_EAST_ASIAN = re.compile(
    "株式会社|有限会社|合同会社|合資会社|股份有限公司|有限责任公司|有限公司|주식회사|유한회사|[(（][株有주유][)）]|㈱|㈲"
)
_SPA = re.compile(r"\bS\.\s?[pP]\.\s?A\b\.?|\bSpA$|\bSpA(?=\s)")
_INITIALS = re.compile(r"\b(?:\w\.\s?){2,}(?=\W|$)|\b(?:\w\.)+\w\b")
_APOSTROPHES = re.compile("['’‘`´ʼ]")
_AND = re.compile(r"\s*(?:&|\+|\bund\b|\bet\b)\s*")
_SLASHED = re.compile(r"\b(a)/(s|b)\b")
_WORD = re.compile(r"\w+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "_": " "})


@functools.cache
def _forms() -> tuple[frozenset[tuple[str, ...]], int]:
    forms = frozenset(tuple(form.split()) for form in " ".join(_FORMS.split()).split(" | "))
    return forms, max(map(len, forms))


@functools.cache
def _leading() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(form.split()) for form in _LEADING)


def company_key(name: str) -> str:
    """Return what two spellings of a company's name share; ``""`` where there is nothing to compare.

    Examples
    --------
    >>> company_key("Müller & Söhne GmbH & Co. KG")
    'muller and sohne'
    >>> company_key("The KWIK STAR #1165, Inc.")
    'kwik star 1165'
    """
    text = _EAST_ASIAN.sub(" ", name) if not name.isascii() else name
    text = _SPA.sub(" s p a ", text).casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).translate(_LETTERS)
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    text = _APOSTROPHES.sub("", text)
    text = _SLASHED.sub(r"\1\2", text)
    text = _INITIALS.sub(lambda m: m[0].replace(".", "").replace(" ", "") + " ", text)
    text = _AND.sub(" and ", text)
    words: list[str] = []
    for part in text.split("/"):
        words += _bare(_WORD.findall(part.replace("_", " ")))
    return " ".join(w.lstrip("0") or "0" if w.isdigit() else w for w in words)


def sorted_words(key: str) -> str:
    """Return a key with its words in alphabetical order: what similarity is measured on."""
    return " ".join(sorted(key.split(" ")))


def numbers_in(key: str) -> tuple[str, ...]:
    """Return the words of a key that have a digit, in order: names that differ in these are two companies."""
    return tuple(sorted(w for w in key.split(" ") if any(c.isdigit() for c in w)))


def _bare(words: list[str]) -> list[str]:
    """Return words without the legal forms at their end and the few that stand in front; never none of several."""
    forms, longest = _forms()
    whole = words
    changed = True
    while changed and len(words) > 1:
        changed = False
        for size in range(min(longest, len(words) - 1), 0, -1):
            if tuple(words[-size:]) in forms:
                words, changed = words[:-size], True
                break
    for form in _leading():
        if len(words) > len(form) and tuple(words[: len(form)]) == form:
            words = words[len(form) :]
    while len(words) > 1 and words[-1] == "and":
        words = words[:-1]
    return words or whole
