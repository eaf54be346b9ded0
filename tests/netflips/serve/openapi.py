"""The description of the JSON API as OpenAPI 3.1: the addresses of openapi.yaml, and the form of each kind of job.

python -m tests.netflips.serve.openapi    writes it into netflips/serve/openapi.json, which the server gives away
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from netflips.serve.fields import A_NAME, AnyField, Choice, File, Number, Switch, Text
from netflips.serve.jobs import STATES
from netflips.serve.kinds import KINDS, JobKind
from netflips.version import __version__

_ID = {"$ref": "#/components/schemas/Id"}


WRITTEN = Path(__file__).parents[3] / "netflips" / "serve" / "openapi.json"


def openapi() -> dict[str, Any]:
    """Return the description as a JSON object, with the forms that are checked."""
    description: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    schemas = description["components"]["schemas"]
    description["info"]["version"] = __version__
    schemas["Facts"]["properties"]["state"] = {"enum": list(STATES)}

    schemas |= {f"values_of_{kind.name}": _values(kind) for kind in KINDS.values()}
    schemas["NewJob"]["oneOf"] = [
        {"properties": {"kind": {"const": name}, "values": {"$ref": f"#/components/schemas/values_of_{name}"}}} for name in KINDS
    ]
    return description


def _values(kind: JobKind) -> dict[str, Any]:
    needed = [one.name for one in kind.fields if (isinstance(one, File) and one.is_needed) or (isinstance(one, Text) and one.least)]
    fields = {one.name: {**_schema(one), **_described(one, kind)} for one in kind.fields}
    return {"type": "object", "required": needed, "properties": fields, "additionalProperties": False}


def _described(one: AnyField, kind: JobKind) -> Mapping[str, str]:
    if isinstance(one, File):
        return {"description": f"id of an upload: {' or '.join(one.takes)}"}
    return {"description": f"as {one.flag} of netflips {kind.command[0]}"} if one.flag else {}


def _schema(one: AnyField) -> Mapping[str, Any]:
    match one:
        case Choice():
            return {"enum": list(one.values), "default": one.values[0]}
        case Number():
            return {"type": "number", "minimum": one.least, "maximum": one.most, "default": one.default}
        case Switch():
            return {"type": "boolean", "default": False}
        case Text():
            return {"type": "string", "minLength": one.least, "maxLength": one.most}
        case File():
            return _ID
        case _:
            return {"type": "string", "pattern": f"^{A_NAME.pattern}$"}


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
