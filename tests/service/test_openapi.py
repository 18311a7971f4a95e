"""The API's description: valid, complete and true, and served as every answer is."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import urlencode

import pytest
from botocore.exceptions import EndpointConnectionError
from chalice.test import HTTPResponse
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.templates import Templates
from chalicelib.users import email_address, person_name, tokens
from chalicelib.users.store import Users
from chalicelib.web import body, forms, response
from tests.support.description import DESCRIPTION, LINK, PATH, TICKET, mail_link
from tests.support.service import BROWSER, FORM, JSON, Service

SCHEMAS = DESCRIPTION["components"]["schemas"]
PROBLEM = "urn:bienvenue:problem:"
COOKIE = f"__Host-bienvenue={TICKET}"
LINK_QUERY = "?" + urlencode(LINK)
LINKED = ("/validate", "/refuse")
LINK_PATH = "/validate" + LINK_QUERY
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DESCRIPTION["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
ANSWERS = [
    pytest.param(name, int(status), accept, id=f"{name}-{status}-{kind}")
    for name, (_, _, operation) in OPERATIONS.items()
    for status in operation["responses"]
    for kind, accept in (("json", ""), ("page", BROWSER))
    if status != "429"  # which the gateway gives, and it is not here
    if status != "303" or kind == "page"  # programs are not sent on
]


@pytest.fixture
def service(shared_service: Service) -> Service:
    """A service that mailed the link of the description's examples."""
    shared_service.forget()
    mail_link(shared_service)
    return shared_service


def resolved(described: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference leads to; anything else as it is."""
    while "$ref" in described:
        kind, name = described["$ref"].removeprefix("#/components/").split("/")
        described = DESCRIPTION["components"][kind][name]
    return described


def schema_errors(schema: dict[str, Any], value: object) -> list[str]:
    """Return what of ``value`` is not as ``schema`` has it."""
    whole = {**schema, "components": DESCRIPTION["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


# The document


def test_it_is_valid_openapi_3_1() -> None:
    assert DESCRIPTION["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DESCRIPTION).iter_errors()] == []


def test_it_describes_the_apps_routes_and_no_others(service: Service) -> None:
    routes = service.app.app.routes
    described = {(method, path) for method, path, _ in OPERATIONS.values()}
    assert described == {(method, path) for path in routes for method in routes[path]}


def test_bodies_are_described_in_the_types_that_posts_take() -> None:
    for method, _, operation in OPERATIONS.values():
        described = tuple(operation.get("requestBody", {}).get("content", {}))
        assert described == (body.TYPES if method == "POST" else ())


def test_its_version_is_the_projects() -> None:
    project = (PATH.parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert DESCRIPTION["info"]["version"] == version[1]


def test_it_describes_every_problem_and_every_cause() -> None:
    texts = Templates().words("en")
    titles = set(re.findall(r"^problem_(\w+)_title$", "\n".join(texts), re.MULTILINE))
    details = set(re.findall(r"^problem_(\w+)_detail$", "\n".join(texts), re.MULTILINE))
    problems = SCHEMAS["Problem"]["properties"]["type"]["enum"]
    assert sorted(problems) == sorted(PROBLEM + code for code in titles)
    causes = set(SCHEMAS["Cause"]["properties"]["code"]["enum"])
    assert details - titles <= causes <= details


def test_it_describes_every_language() -> None:
    languages = Templates().languages
    spoken = DESCRIPTION["components"]["headers"]["Content-Language"]["schema"]["enum"]
    assert sorted(spoken) == sorted(languages)
    for lang in languages:
        for tag in (lang, f"{lang}-CA", lang.upper(), "tlh"):
            assert schema_errors(SCHEMAS["Language"], tag) == []
    assert schema_errors(SCHEMAS["Language"], 1) != []


def test_its_limits_are_the_apps() -> None:
    assert SCHEMAS["Name"]["maxLength"] == person_name.MAX_LENGTH
    assert SCHEMAS["Email"]["maxLength"] == email_address.MAX_LENGTH
    assert SCHEMAS["StoredEmail"]["maxLength"] == email_address.MAX_KEY_BYTES
    assert SCHEMAS["Problem"]["properties"]["errors"]["maxItems"] == forms.MAX_PROBLEMS
    assert schema_errors(SCHEMAS["Token"], tokens.mint()) == []
    for _, _, operation in OPERATIONS.values():
        if "requestBody" in operation:
            size = f"At most {body.MAX_BYTES // 1024} KiB"
            assert operation["requestBody"]["description"].startswith(size)


def test_its_examples_are_as_their_schemas_say() -> None:
    checked = 0
    for holder in _holders(DESCRIPTION):
        values = [resolved(example)["value"] for example in holder.get("examples", {}).values()]
        values += [holder["example"]] if "example" in holder else []
        for value in values:
            assert schema_errors(holder["schema"], value) == []
            checked += 1
    for schema in SCHEMAS.values():
        for value in schema.get("examples", []):
            assert schema_errors(schema, value) == []
            checked += 1
    assert checked > 30


def _holders(part: Any) -> Iterator[dict[str, Any]]:
    """Return every part of the document that has a schema: contents, headers and parameters."""
    if isinstance(part, dict):
        if "schema" in part:
            yield part
        for inner in part.values():
            yield from _holders(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _holders(inner)


# The answers


def test_get_serves_it_and_head_says_that_it_is_there(service: Service) -> None:
    answer = service.get("/openapi.json", accept=BROWSER, accept_language="fr")
    assert answer.json_body == DESCRIPTION
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Content-Language"] == "en"
    head = service.request("HEAD", "/openapi.json")
    assert (head.status_code, head.body, head.headers) == (200, b"", answer.headers)


@pytest.mark.parametrize(("name", "status", "accept"), ANSWERS)
def test_every_answer_is_given_as_it_is_described(
    service: Service, monkeypatch: pytest.MonkeyPatch, name: str, status: int, accept: str
) -> None:
    method, path, operation = OPERATIONS[name]
    _arrange(service, monkeypatch, status)
    url, sent, content_type = _request(method, path, status)
    origin = "https://evil.example" if status == 403 else ""
    headers = {
        "accept": accept or JSON,
        "accept_language": "en",
        "origin": origin,
        "cookie": COOKIE,
    }
    answer = service.request(method, url, sent, content_type, **headers)
    assert answer.status_code == status
    _assert_as_described(answer, resolved(operation["responses"][str(status)]), accept)


@pytest.mark.parametrize("accept", ["", BROWSER], ids=["json", "page"])
@pytest.mark.parametrize("path", DESCRIPTION["paths"])
def test_an_unknown_method_is_answered_as_described(
    service: Service, path: str, accept: str
) -> None:
    answer = service.request("DELETE", path, accept=accept, accept_language="en")
    assert answer.status_code == 405
    described = DESCRIPTION["components"]["responses"]["MethodNotAllowed"]
    _assert_as_described(answer, described, accept)
    methods = {
        method for method, described_path, _ in OPERATIONS.values() if described_path == path
    }
    assert set(answer.headers["Allow"].split(", ")) == methods


def test_a_stage_with_a_confirm_button_answers_as_described(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(service, monkeypatch, validate_on_get="false")
    answer = service.get(LINK_PATH, accept_language="en")
    assert answer.json_body["status"] == "confirm"
    _assert_as_described(answer, DESCRIPTION["components"]["responses"]["LinkOpened"], "")


@pytest.mark.parametrize("content_type", ["text/plain", FORM])
def test_a_get_is_answered_whatever_type_of_content_it_names(
    service: Service, content_type: str
) -> None:
    for path in ("/", LINK_PATH, "/openapi.json"):
        assert service.request("GET", path, content_type=content_type).status_code == 200


def _arrange(service: Service, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Make the world such that a good request is answered with ``status``, if that is its fault."""

    def fail(*_: object, **__: object) -> NoReturn:
        if status == 503:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")
        raise RuntimeError("a bug")

    if status == 303:
        welcome = "https://example.org/welcome"
        _set(service, monkeypatch, after_validation_url=welcome, return_urls=(welcome,))
    if status == 410:
        service.clock.go_by(hours=2)
    if status in (500, 503):
        for transition in ("sign_up", "resend", "validate", "refuse"):
            monkeypatch.setattr(Users, transition, fail)
        monkeypatch.setattr(response.Answers, "refusal_page", fail)
        monkeypatch.setattr(response.Answers, "sign_up_page", fail)
        monkeypatch.setattr(response.Answers, "description", fail)
        monkeypatch.setattr(response.Answers, "icon", fail)


def _set(service: Service, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    stage = replace(service.app.stage, **settings)
    monkeypatch.setattr(service.app, "stage", stage)
    monkeypatch.setattr(service.app.answers, "settings", stage)


def _request(method: str, path: str, status: int) -> tuple[str, bytes, str]:
    """Return the address, body and type of a request that is answered with ``status``."""
    if method != "POST":
        return (path + LINK_QUERY if path in LINKED and status != 400 else path), b"", ""
    good = {"email": LINK["email"], "nom": "Horn"} if path == "/users" else LINK
    if status == 303:
        form = {**good, "return_to": "https://example.org/welcome"}
        return path, urlencode(form).encode(), FORM
    bodies = {400: b"{", 413: b" " * 100_000, 422: b'{"email": "nobody"}'}
    return path, bodies.get(status, json.dumps(good).encode()), "a/b" if status == 415 else JSON


def _assert_as_described(answer: HTTPResponse, described: dict[str, Any], accept: str) -> None:
    assert set(answer.headers) <= {"Content-Type", *described["headers"]}
    for name, header in described["headers"].items():
        if resolved(header).get("required") or name in answer.headers:
            assert schema_errors(resolved(header)["schema"], answer.headers[name]) == []
    if "content" not in described:
        assert answer.body == b""
        return
    liked = [kind for kind in described["content"] if (kind == "text/html") == (accept == BROWSER)]
    media_type = answer.headers["Content-Type"].partition(";")[0]
    assert [media_type] == (liked or list(described["content"]))
    content = described["content"][media_type]
    if media_type == "image/svg+xml":
        assert answer.body.startswith(b"<svg")
        return
    if media_type == "text/html":
        assert answer.body.startswith(b"<!doctype html>")
        assert "Content-Security-Policy" in answer.headers
        return
    assert schema_errors(content["schema"], answer.json_body) == []
    examples = [resolved(example)["value"] for example in content.get("examples", {}).values()]
    examples += [content["example"]] if "example" in content else []
    assert answer.json_body in examples or not examples
