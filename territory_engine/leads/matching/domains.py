"""The domain that a company owns, from an e-mail address or a website; never the address itself.

The list of public suffixes is the copy inside ``tldextract``: no network, and nothing written to disk.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tldextract import TLDExtract

_FREE_MAIL = """
    126.com 139.com 163.com 189.cn alice.it arcor.de att.net bellsouth.net bigpond.com bluewin.ch bol.com.br bt.com
    btinternet.com centurylink.net charter.net comcast.net cox.net daum.net duck.com earthlink.net email.com
    fastmail.com fastmail.fm foxmail.com free.fr freenet.de frontier.com
    frontiernet.net gmail.com hanmail.net hey.com hush.com hushmail.com icloud.com inbox.com inbox.lv inbox.ru
    interia.pl juno.com kakao.com laposte.net libero.it list.ru live.at live.be live.ca live.cl live.cn live.co.uk
    live.co.za live.com live.com.ar live.com.au live.com.mx live.de live.dk live.fr live.ie live.in live.it live.jp
    live.nl live.no live.se mac.com mail.com mail.de mail.ru mailbox.org mailinator.com me.com mediacombb.net
    msn.com mweb.co.za naver.com neuf.fr nate.com netscape.net netzero.net o2.pl online.no onet.pl optonline.net
    optusnet.com.au orange.fr passport.com pm.me pobox.com posteo.de proton.me protonmail.ch protonmail.com qq.com
    rambler.ru rediffmail.com rocketmail.com rogers.com sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com
    skynet.be sky.com sohu.com suddenlink.net sympatico.ca t-online.de talktalk.net telenet.be telus.net terra.com.br
    tiscali.it tuta.com tuta.io tutanota.com tutanota.de ukr.net uol.com.br usa.com usa.net verizon.net virgilio.it
    virginmedia.com wanadoo.fr web.de windowslive.com windstream.net wp.pl xtra.co.nz ya.ru yandex.com yandex.ru
    yeah.net ymail.com zoho.com ziggo.nl
"""
FREE_MAIL = frozenset(_FREE_MAIL.split())
"""Providers whose domain says nothing about the company."""

_FREE_FAMILIES = frozenset({"aol", "gmx", "googlemail", "hotmail", "outlook", "yahoo"})
"""Providers with a domain in many countries."""

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]{0,15}://")
_LONGEST_URL = 2_100
_LONGEST_HOST = 253


def is_free_mail(domain: str) -> bool:
    """Whether anybody can have an address at a registrable domain."""
    return domain in FREE_MAIL or domain.partition(".")[0] in _FREE_FAMILIES


def domains_of(texts: pd.Series[Any]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return the registrable domain in each text, and which texts have something else in them.

    Parameters
    ----------
    texts : Series of str, shape (n,)
        E-mail addresses, websites or domains; ``""`` where blank.

    Returns
    -------
    domains : ndarray of object, shape (n,)
        In lower case and ASCII (``xn--…``); ``""`` where there is none.
    malformed : ndarray of bool, shape (n,)
    """
    codes, unique = pd.factorize(texts)
    found = np.array([registrable_domain(str(text)) for text in unique], dtype=object)
    filled = np.array([str(text).strip() != "" for text in unique], dtype=bool)
    if len(unique) == 0:
        return np.zeros(0, object), np.zeros(0, bool)
    return found[codes], (filled & (found == ""))[codes]


def registrable_domain(text: str) -> str:
    """Return the part of a domain that its owner registered: ``acme.co.uk`` of ``jo@mail.acme.co.uk``; ``""`` if none."""
    return _registrable(_host(text))


@functools.lru_cache(maxsize=65_536)
def _registrable(host: str) -> str:
    if not host:
        return ""
    parts = _extract()(host)
    return f"{parts.domain}.{parts.suffix}" if parts.domain and parts.suffix else ""


@functools.cache
def _extract() -> TLDExtract:
    from tldextract import TLDExtract

    # Private suffixes too: shops at myshopify.com and pages at github.io are not one company.
    return TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True, include_psl_private_domains=True)


def _host(text: str) -> str:
    """Return the host in an e-mail address, URL or bare domain, in ASCII; ``""`` where there is none that could be."""
    if len(text) > _LONGEST_URL:
        return ""
    host = _SCHEME.sub("", text.strip().lower().removeprefix("mailto:"))
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].rpartition("@")[2].rstrip(">").partition(":")[0].strip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return host if len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) else ""
