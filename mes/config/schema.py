"""The JSON schema of a plant's file, by which editors complete and check it while it is written."""

import json
from typing import Any

from mes.config.models.plant import PlantShape


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema 2020-12), made from the same models that check the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PlantShape.model_json_schema(),
        "title": "Taktline plant",
    }


def schema_text() -> str:
    """The schema as the file config/schema.json holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
