"""The description says what the service does: schemathesis asks for what it promises, and for what it rules out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from territory_engine.app.service.app import create_app
from territory_engine.app.service.errors import TITLES
from territory_engine.app.service.request_log import RequestLog
from territory_engine.app.service.security import KeyRing, make_key
from territory_engine.app.service.settings import ServiceSettings
from tests.app.service.fake_router import FakeRouter


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.toml"
    key = make_key("schemathesis", path)
    router_settings = ServiceSettings(rate="1000000/second", lead_columns=("industry",))
    return create_app(FakeRouter(), router_settings, keys=KeyRing(path), log=RequestLog(io.StringIO())), key


@pytest.fixture(scope="module")
def api(keyed: tuple[Any, str]) -> Any:
    config = SchemathesisConfig.from_dict(
        {
            "checks": {
                # Data of the right shape are refused where fields do not fit each other: half a place, the same lead twice.
                "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
            },
        }
    )
    return schemathesis.openapi.from_asgi("/openapi.json", keyed[0], config=config)


OPERATIONS = [
    "GET /v1/queue",
    "POST /v1/queue/route",
    "POST /v1/leads/route",
    "GET /v1/leads/{lead_id}",
    "GET /v1/reps",
    "POST /v1/outcomes",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
]


def test_every_operation_is_tried(api: Any) -> None:
    assert [found.ok().label for found in api.get_all_operations()] == OPERATIONS


# What takes no input has none to get wrong.
TRIALS = [(label, GenerationMode.POSITIVE) for label in OPERATIONS] + [
    (label, GenerationMode.NEGATIVE) for label in OPERATIONS if label.startswith("POST") or "{" in label
]


@pytest.mark.parametrize(("label", "mode"), TRIALS, ids=lambda part: getattr(part, "value", part))
def test_the_service_keeps_what_its_description_promises(
    api: Any, keyed: tuple[Any, str], label: str, mode: GenerationMode
) -> None:
    operation = next(found.ok() for found in api.get_all_operations() if found.ok().label == label)
    examples = 25 if label.startswith("POST") else 5

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        statuses.add(case.call_and_validate(headers={"Authorization": f"Bearer {keyed[1]}"}).status_code)

    statuses: set[int] = set()
    ask()
    if mode is GenerationMode.POSITIVE:
        assert statuses & {200, 404}


def test_every_route_documents_its_errors_with_the_envelope(keyed: tuple[Any, str]) -> None:
    document = keyed[0].openapi()
    writing = {"200", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503"}
    assert set(document["paths"]["/v1/leads/route"]["post"]["responses"]) == writing
    assert set(document["paths"]["/v1/outcomes"]["post"]["responses"]) == writing
    assert set(document["paths"]["/v1/queue/route"]["post"]["responses"]) == writing
    assert {"404", "401", "429", "503"} <= set(document["paths"]["/v1/leads/{lead_id}"]["get"]["responses"])
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status != "200":
                    content = answer["content"]["application/json"]
                    assert content["schema"]["$ref"].endswith("/ErrorEnvelope")
                    assert answer["description"] == TITLES[int(status)]


def test_every_field_of_a_lead_is_described(keyed: tuple[Any, str]) -> None:
    lead = keyed[0].openapi()["components"]["schemas"]["Lead"]
    assert [name for name, field in lead["properties"].items() if not field.get("description")] == []
    assert "industry" in lead["properties"]
    assert lead["additionalProperties"] is False
    assert lead["required"] == ["lead_id"]


def test_without_keys_the_description_asks_for_none() -> None:
    document = create_app(FakeRouter(), log=RequestLog(io.StringIO())).openapi()
    assert "securitySchemes" not in document["components"]
    TypeAdapter(dict[str, Any]).validate_json(json.dumps(document))
