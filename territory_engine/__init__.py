"""Territory Engine: balanced sales territories with a proof, prices and reasons.

>>> import territory_engine as te                       # doctest: +SKIP
>>> problem = te.load("examples/iowa/config.toml")      # doctest: +SKIP
>>> plan = te.solve(problem)                            # doctest: +SKIP
>>> print(plan)                                         # doctest: +SKIP

Names are imported when first used, so that ``territory-engine --help`` need not wait for pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from territory_engine.auditing.audit import AuditReport, audit
    from territory_engine.auditing.routed.batch_audit import LedgerAudit, audit_batch, audit_ledger
    from territory_engine.config import Config
    from territory_engine.config_file import load_config
    from territory_engine.errors import (
        BatchConflictError,
        ConfigError,
        Finding,
        InputError,
        LedgerError,
        LedgerUnavailableError,
        NoPlanError,
        PlanDirectoryError,
        TerritoryError,
        UnknownLeadError,
    )
    from territory_engine.leads.explaining.explanation import LeadExplanation, explain
    from territory_engine.leads.policy import Policy, load_policy
    from territory_engine.ledger.store import Ledger
    from territory_engine.plan import Plan
    from territory_engine.planner import solve
    from territory_engine.problem import PlanningProblem
    from territory_engine.reading.loading import load
    from territory_engine.rebalancing import Rebalancing, rebalance
    from territory_engine.routed_batch import RoutedBatch
    from territory_engine.routing import Router

__version__ = "0.1.0"

_HOME = {
    "AuditReport": "auditing.audit",
    "audit": "auditing.audit",
    "LedgerAudit": "auditing.routed.batch_audit",
    "audit_batch": "auditing.routed.batch_audit",
    "audit_ledger": "auditing.routed.batch_audit",
    "Config": "config",
    "load_config": "config_file",
    "BatchConflictError": "errors",
    "ConfigError": "errors",
    "Finding": "errors",
    "InputError": "errors",
    "LedgerError": "errors",
    "LedgerUnavailableError": "errors",
    "NoPlanError": "errors",
    "PlanDirectoryError": "errors",
    "TerritoryError": "errors",
    "UnknownLeadError": "errors",
    "LeadExplanation": "leads.explaining.explanation",
    "explain": "leads.explaining.explanation",
    "Policy": "leads.policy",
    "load_policy": "leads.policy",
    "Ledger": "ledger.store",
    "load": "reading.loading",
    "Plan": "plan",
    "solve": "planner",
    "PlanningProblem": "problem",
    "Rebalancing": "rebalancing",
    "rebalance": "rebalancing",
    "RoutedBatch": "routed_batch",
    "Router": "routing",
}

__all__ = [
    "AuditReport",
    "BatchConflictError",
    "Config",
    "ConfigError",
    "Finding",
    "InputError",
    "LeadExplanation",
    "Ledger",
    "LedgerAudit",
    "LedgerError",
    "LedgerUnavailableError",
    "NoPlanError",
    "Plan",
    "PlanDirectoryError",
    "PlanningProblem",
    "Policy",
    "Rebalancing",
    "RoutedBatch",
    "Router",
    "TerritoryError",
    "UnknownLeadError",
    "audit",
    "audit_batch",
    "audit_ledger",
    "explain",
    "load",
    "load_config",
    "load_policy",
    "rebalance",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
