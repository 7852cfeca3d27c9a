"""Put one method to one instance in a process of its own, and judge what it hands back.

Whatever happens is a record: an answer, a proof that there is none, a refusal, a missing package, a crash, a runaway.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tomllib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.peers import Answer
from benchmarks.running import ROOT, Run, installed, measured, run_plan
from benchmarks.scoring import score

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.instances import Instance

OURS = "territory-engine"
PEERS = {
    "cp-sat": "cp_sat",
    "p-median": "p_median",
    "k-means-constrained": "k_means",
    "metis": "metis",
    "gerrychain": "gerrychain_recom",
    "skater": "skater",
    "max-p": "max_p",
}
ASKED = {
    "cpmp": ("cp-sat", "p-median", "metis"),
    "gap": ("cp-sat",),
    "moi": ("cp-sat", "metis", "gerrychain", "skater", "max-p"),
    "tdp": ("cp-sat", "metis", "gerrychain", "skater", "max-p"),
    "fdic": ("cp-sat", "p-median", "k-means-constrained", "metis"),
    "fdic48": ("cp-sat", "p-median", "k-means-constrained", "metis"),
    "counties": ("cp-sat", "metis", "gerrychain", "skater", "max-p"),
}
"""Which peers are asked, by family; of another family, all that do not refuse."""
SETTLED = ("answer", "infeasible", "none", "refused")
"""Outcomes worth keeping: a crash, or a package that is not installed, is tried again."""
GRACE = 120.0  # seconds beyond twice its limit, for reading and for building a model, before a method is ended
LONGER = 5.0  # times the seconds where the task is to prove that there is no plan
AGREEMENT = 1e-6  # relative: what a method says of its own answer may differ by from what the judge finds


@dataclass(frozen=True)
class Terms:
    """What every method is given.

    Attributes
    ----------
    seconds : float
        Time limit, for those that can be told one.
    patience : float
        Seconds after which one that cannot is ended.
    memory_gib : float
        What a peer may use.
    """

    seconds: float
    patience: float
    memory_gib: float


def peers_for(instance: Instance, wanted: list[str]) -> list[str]:
    """Return the peers to ask about an instance: where no plan exists, only those that could prove it."""
    if instance.status == "infeasible":
        return [name for name in wanted if name == "cp-sat"]
    if instance.family in ASKED:
        return [name for name in wanted if name in ASKED[instance.family]]
    return [name for name in wanted if importlib.import_module(_module(name)).refusal(instance) is None]


def _module(name: str) -> str:
    return f"benchmarks.peers.{PEERS[name]}"


def versions(name: str) -> str:
    """Return a peer's distributions with their versions, or what is not installed."""
    parts = [(d, installed(d)) for d in importlib.import_module(_module(name)).DISTRIBUTIONS]
    return ", ".join(f"{d} {v}" if v else f"{d} is not installed" for d, v in parts)


def engine_version() -> str:
    """Return the engine's version as the checkout has it: an editable installation may remember an older one."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def ask_peer(name: str, instance: Instance, terms: Terms, folder: Path) -> dict[str, Any]:
    """Run one peer on one instance; return its record."""
    module = importlib.import_module(_module(name))
    version = versions(name)
    record: dict[str, Any] = {"instance": instance.name, "method": name, "version": version}
    if reason := module.refusal(instance):
        return {**record, "outcome": "refused", "note": reason}
    if "is not installed" in version:
        return {**record, "outcome": "missing", "note": "; ".join(p for p in version.split(", ") if "is not" in p)}
    question, reply = folder / "instance.npz", folder / f"{name}.json"
    instance.save(question)
    reply.unlink(missing_ok=True)
    seconds = terms.seconds * (LONGER if instance.status == "infeasible" else 1)
    command = [sys.executable, "-m", _module(name), str(question.resolve()), str(reply.resolve())]
    limit = 2 * seconds + GRACE if module.STOPS else terms.patience
    run = measured([*command, "--seconds", str(seconds), "--memory", str(terms.memory_gib)], limit=limit)
    record |= {"seconds": run.seconds, "peak_gib": run.peak_gib}
    if not reply.exists():
        return {**record, **_failure(run, limit)}
    answer = Answer.read(reply)
    if answer.bound == float("inf"):
        return {**record, "outcome": "infeasible", "note": answer.note}
    found = {**record, "bound": answer.bound, "claimed": answer.objective, "note": answer.note}
    if answer.labels is None:
        return {**found, "outcome": "none", "note": answer.note or f"no answer in {seconds:g} s"}
    return judged(found, instance, answer.labels)


def _failure(run: Run, limit: float) -> dict[str, str]:
    if run.stopped:
        return {"outcome": "none", "note": f"no answer in {limit:,.0f} s, and ended"}
    return {"outcome": "failed", "note": f"exit {run.exit}: {run.last_words[:120]}"}


def ask_ours(instance: Instance, config: Path, terms: Terms, folder: Path) -> dict[str, Any]:
    """Run our engine from files to files, as a user would; return its record."""
    seconds = terms.seconds * (LONGER if instance.status == "infeasible" else 1)
    out, limit = folder / "plan", 2 * seconds + GRACE
    ran = run_plan(config, out, "--time-limit", f"{seconds:g}", limit=limit)
    run: Run = ran["run"]
    plan: dict[str, Any] = ran["plan"]
    record: dict[str, Any] = {"instance": instance.name, "method": OURS, "version": f"{OURS} {engine_version()}"}
    record |= {"seconds": run.seconds, "peak_gib": run.peak_gib, "bound": plan.get("lower_bound")}
    if run.exit == 3:
        return {**record, "outcome": "infeasible", "note": "proved infeasible"}
    if run.exit == 4:
        return {**record, "outcome": "none", "note": f"no plan in {seconds:g} s, nothing proved"}
    if run.exit != 0 or not (out / "assignments.csv").exists():
        return {**record, **_failure(run, limit)}
    record |= {"claimed": plan.get("objective"), "proved_gap": plan.get("gap")}
    note = f"{plan.get('status')}, proof by {(plan.get('proof') or {}).get('kind')}"
    try:
        labels = labels_of(instance, out / "assignments.csv")
    except ValueError as error:
        return {**record, "outcome": "failed", "note": str(error)}
    return judged({**record, "note": note}, instance, labels)


def labels_of(instance: Instance, assignments: Path) -> NDArray[np.int64]:
    """Return the territory of every account from a plan's assignments.csv; −1 for an account that is not there."""
    table = pd.read_csv(assignments, dtype=str)
    if table["account_id"].duplicated().any() or not table["account_id"].isin(instance.ids).all():
        raise ValueError(f"{assignments.name} names an account twice, or one that is not in {instance.name}")
    key = "territory_id" if instance.rep_ids is None else "rep_id"
    said = table.set_index("account_id")[key].reindex(instance.ids)
    if instance.rep_ids is None:
        return pd.factorize(said)[0].astype(np.int64)
    return pd.Index(instance.rep_ids).get_indexer(pd.Index(said)).astype(np.int64)


def judged(record: dict[str, Any], instance: Instance, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return the record with what the judge finds, and with a warning where a method says something else of itself."""
    try:
        verdict = score(instance, labels)
    except ValueError as error:  # labels that are no territories
        return {**record, "outcome": "failed", "note": str(error)}
    warnings = []
    claimed, bound = record.get("claimed"), record.get("bound")
    off = AGREEMENT * abs(verdict.objective)
    # A peer's answer may cost less than it claims: it need not have noticed that another member is a better centre.
    cheaper = record["method"] == OURS and claimed is not None and verdict.objective < claimed - off
    if claimed is not None and (verdict.objective > claimed + off or cheaper):
        warnings.append(f"claims {claimed:,.4f}, judged {verdict.objective:,.4f}")
    plans = [v for v in (instance.best_known, verdict.objective if verdict.feasible else None) if v is not None]
    if bound is not None and plans and bound > min(plans) * (1 + AGREEMENT):
        warnings.append(f"claims a bound of {bound:,.4f}, above a plan that exists")
    if record.get("proved_gap") is None and bound and verdict.feasible:
        record = {**record, "proved_gap": max(0.0, 1 - bound / verdict.objective)}
    return {**record, "outcome": "answer", **asdict(verdict), "feasible": verdict.feasible, "warnings": warnings}


def physical_memory_gib() -> float:
    """Return the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def terms_of(method: str, outcome: str, terms: Terms) -> list[float]:
    """Return what a record's worth depends on: no limit changes the answer of a method that was never told one."""
    if method == OURS or importlib.import_module(_module(method)).STOPS:
        return [terms.seconds]
    return [terms.patience] if outcome == "none" else []


def keep(path: Path, record: dict[str, Any], terms: Terms) -> None:
    """Keep a record for later runs; a file appears whole or not at all."""
    text = json.dumps({**record, "terms": terms_of(record["method"], record["outcome"], terms)}, indent=1)
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").replace(path)


def kept(path: Path, version: str, terms: Terms) -> dict[str, Any] | None:
    """Return the record that an earlier run kept, None where it has to be measured (again)."""
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text())
    same = record["version"] == version and record["terms"] == terms_of(record["method"], record["outcome"], terms)
    return record if same and record["outcome"] in SETTLED else None
