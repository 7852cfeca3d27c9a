"""API keys: made once, kept only as hashes, compared in constant time.

A key is 256 random bits, so that a plain SHA-256 of it is enough: there is no list of likely keys to try, which is what
slow hashes (bcrypt, scrypt) protect passwords from, and every request would pay for them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import threading
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from territory_engine.errors import Finding, InputError

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
_HASH = re.compile(r"^[0-9a-f]{64}$")
_PREFIX = "te_"  # so that scanners for leaked secrets, and people, know what it is
_HEADER = (
    "# API keys of `territory-engine serve`. Only hashes are kept: a key cannot be read back from here.\n"
    "# To revoke a key delete its table; the service notices.\n"
)


@dataclass(frozen=True)
class ApiKey:
    """A key by its name, its hash and what it may do."""

    name: str
    sha256: str
    read_only: bool = False


def hash_of(key: str) -> str:
    """Return the hash that is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def make_key(name: str, path: Path, *, read_only: bool = False) -> str:
    """Make a key, add its hash to the file, and return the key, which is kept nowhere.

    Raises
    ------
    InputError
        The name cannot be a key's or is taken, or the file cannot be read or written.
    """
    if not _NAME.match(name):
        raise InputError(
            Finding(
                "cannot be the name of a key",
                value=name,
                allowed="1 to 64 letters, digits, hyphens and underscores, a letter or digit first",
            )
        )
    known = read_keys(path) if path.exists() else ()
    if any(key.name == name for key in known):
        raise InputError(
            Finding(
                "there is a key of this name already",
                file=path.name,
                value=name,
                remedy=f"choose another name, or delete the table [keys.{name}] to revoke that key",
            )
        )
    key = _PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    table = f'\n[keys.{name}]\nsha256 = "{hash_of(key)}"\ncreated = {created}\n' + ("read_only = true\n" * read_only)
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else _HEADER
        _write_private(path, before.rstrip("\n") + "\n" + table)
    except OSError as error:
        raise InputError(
            Finding("cannot be written", file=str(path), value=error.strerror, remedy="choose a place you may write to")
        ) from error
    return key


def _write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read a file of keys.

    Raises
    ------
    InputError
        It is missing, is not TOML, or has something that is not a key; every problem is listed.
    """
    remedy = "make keys with territory-engine serve-key NAME --keys FILE"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "is not UTF-8"
        raise InputError(Finding(f"the keys cannot be read: {what}", file=str(path), remedy=remedy)) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(Finding(f"is not TOML: {error}", file=path.name, remedy=remedy)) from error
    tables = content.get("keys", {})
    findings = [
        Finding("is not a table of keys", file=path.name, column=name, allowed="[keys.NAME]", remedy=remedy)
        for name in content
        if name != "keys" or not isinstance(tables, dict)
    ]
    keys: list[ApiKey] = []
    for name, table in tables.items() if isinstance(tables, dict) else ():
        sha256 = table.get("sha256") if isinstance(table, dict) else None
        read_only = table.get("read_only", False) if isinstance(table, dict) else False
        if not (_NAME.match(name) and isinstance(sha256, str) and _HASH.match(sha256) and isinstance(read_only, bool)):
            findings.append(
                Finding(
                    "is not a key",
                    file=path.name,
                    column=f"keys.{name}",
                    allowed="sha256 with 64 hexadecimal digits, and read_only true or false",
                    remedy=remedy,
                )
            )
        else:
            keys.append(ApiKey(name, sha256, read_only))
    if findings:
        raise InputError(findings)
    return tuple(keys)


def open_to_others(path: Path) -> bool:
    """Return whether others than the owner may read the file (where the system knows such rights)."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


class KeyRing:
    """The keys of a file, read again whenever it changes, so that a key can be revoked without a restart.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        The file cannot be read, or has no key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._keys = read_keys(path)
        if not self._keys:
            raise InputError(
                Finding(
                    "has no keys", file=path.name, remedy=f"make one: territory-engine serve-key NAME --keys {path}"
                )
            )

    def find(self, key: str) -> ApiKey | None:
        """Return the key that this is, comparing with every one, however early one fits."""
        offered = hash_of(key)
        found = None
        for known in self._current():
            if hmac.compare_digest(known.sha256, offered):
                found = known
        return found

    def _current(self) -> tuple[ApiKey, ...]:
        stamp = self._stamp()
        if stamp != self._seen:
            with self._lock:
                try:
                    self._keys = read_keys(self._path)
                except InputError:
                    # Nobody gets in by a file that cannot be read; what was revoked stays so.
                    self._keys = ()
                self._seen = stamp
        return self._keys

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
