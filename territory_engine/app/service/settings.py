"""How large, how many and how fast: everything about the service that is an option of ``territory-engine serve``."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the service.

    Attributes
    ----------
    max_leads : int
        The most leads of one request.
    max_body_mb : int
        The longest request body, unpacked, in MiB.
    rate : str
        The most requests of one key (or one address, without a key), as ``"600/minute"``.
    extra_fields : bool
        Whether leads may have fields that nobody declared; they become columns for the policy's rules.
    lead_columns : tuple of str
        Fields that the policy's rules name, allowed in any case.
    concurrency : int
        Batches routed at once.
    queue : int
        Requests that may wait for their turn; one more is answered 503.
    body_seconds : float
        The longest that receiving a body may take.
    """

    max_leads: int = 100_000
    max_body_mb: int = 64
    rate: str = "600/minute"
    extra_fields: bool = False
    lead_columns: tuple[str, ...] = ()
    concurrency: int = 1
    queue: int = 16
    body_seconds: float = 120.0

    @property
    def max_body_bytes(self) -> int:
        """The longest body in bytes."""
        return self.max_body_mb * MEBIBYTE
