"""The description of the JSON API as OpenAPI 3.1: the addresses of openapi.yaml, and the form of each kind of job.

python -m tests.netflips.serve.openapi    writes it into netflips/serve/openapi.json, which the server gives away
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import yaml

from netflips.serve.fields import Field, File
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
    needed = [one.name for one in kind.fields if (one.is_needed if isinstance(one, File) else _schema(one).get("minLength"))]
    fields = {one.name: {**_schema(one), **_described(one, kind)} for one in kind.fields}
    return {"type": "object", "required": needed, "properties": fields, "additionalProperties": False}


def _described(one: Field, kind: JobKind) -> Mapping[str, str]:
    if isinstance(one, File):
        return {"description": f"id of an upload: {' or '.join(one.takes)}"}
    return {"description": f"as {one.flag} of netflips {kind.command[0]}"} if one.flag else {}


def _schema(one: Field) -> Mapping[str, Any]:
    if isinstance(one, File):
        return _ID
    if get_origin(one.kind) is Literal:
        return {"enum": list(get_args(one.kind)), "default": one.default}
    schema = msgspec.json.schema(one.kind)
    schema.pop("description", "")
    return schema if schema["type"] == "string" else {**schema, "default": one.default}


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
