"""The service's description: request bodies beside what FastAPI finds out, keys only where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from territory_engine import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = """Leads in, decisions out: every lead ends assigned, queued or rejected, with the reason.

A batch is written as a whole or not at all. The same `batch_id` gets the same answer, so a request that got no answer, or a
503, may be sent again as it is. Every error has the same shape and names every problem with its path."""


def body_of(model: str, example: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a route's body, which the route reads for itself."""
    content = {"schema": {"$ref": _REFERENCE.format(model=model)}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe(app: FastAPI, bodies: tuple[type[BaseModel], ...], *, keys: bool) -> dict[str, Any]:
    """Return the OpenAPI document."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title="Territory Engine", version=__version__, description=_ABOUT, routes=app.routes, tags=app.openapi_tags
    )
    _, definitions = models_json_schema([(model, "validation") for model in bodies], ref_template=_REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for path, operations in document["paths"].items():
            if path.startswith("/v1/") or path == "/metrics":
                for operation in operations.values():
                    operation["security"] = [{"bearer": []}, {"api_key": []}]
    app.openapi_schema = document
    return document
