"""The zip that Chalice built, taken alone: complete, and nothing too much."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from benchmarks.packages import unpack
from benchmarks.processes import obey_modes
from chalicelib.users.item import SLOTS
from tests.e2e.stack import Stack
from tests.support.fakes import bounce
from tests.support.service import ALEXIS, EVERY_MINUTE

# What Lambda's Python brings along, of what is installed here.
LAMBDA_HAS = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
TOPIC = "arn:aws:sns:eu-west-3:123456789012:feedback"
SETTINGS = {
    "USERS_TABLE": "users",
    "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2026",
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org",
    "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
    "LIMITS_TABLE": "limits",
    "SECRET_KEY": "not-a-secret-but-as-long-as-one-is",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_ACCESS_KEY_ID": "invented",
    "AWS_SECRET_ACCESS_KEY": "invented",
}
USE_EVERYTHING = """
import sys
import app
from chalicelib.templates import Templates
from chalicelib.users import email_address
_ = app.service.users, app.service.outbox, app.service.drain
assert email_address.canonical("A@B\\u00fccher.example") == "a@xn--bcher-kva.example"
templates = Templates()
assert {"en", "fr"} <= templates.languages
for lang in templates.languages:
    assert templates.words(lang)["sign_up_title"]
    assert app.answers.pages.sign_up(lang, {})
loaded = {module.split(".")[0] for module in sys.modules}
assert not loaded & {"pytest", "moto", "ops", "tests", "click", "rich"}, loaded
print("ready")
"""

BESIDES = """
import json, sys
import botocore.session, chalice.app
session = botocore.session.Session()
for service in ("dynamodb", "sesv2"):
    session.create_client(service)
theirs = set(sys.modules)
import app
_ = app.service.users, app.service.outbox, app.service.drain
print(json.dumps(sorted(set(sys.modules) - theirs)))
"""

OPTIONAL = (
    "chalicelib.events",
    "chalicelib.own_fields",
    "chalicelib.plurals",
    "chalicelib.users.consent_texts",
    "chalicelib.users.event_outbox",
    "chalicelib.users.field_values",
    "chalicelib.web.challenge",
    "chalicelib.web.description",
    "chalicelib.web.own_",
)
"""Modules that only EVENT_BUS, FIELDS, CONSENT, CHALLENGE or a stage's own words load."""

COLD_START = """
import io, json, os, sys
import app
from botocore.awsrequest import AWSResponse

clients = [name for name in ("users", "mailer") if name in vars(app.service)]
calls = []

def answer(event_name, **_):
    calls.append(event_name.rpartition(".")[2])
    link = {"M": {"expires": {"N": "99999999999"}}}
    item = {"email": {"S": "alexis@example.org"}, "created_at": {"S": "2026"}}
    item["links"] = {"M": {app.tokens.digest("A" * 43): link}}
    raw = io.BytesIO(json.dumps({"Items": [], "Attributes": item}).encode())
    raw.stream = lambda **_: iter(raw.read, b"")
    return AWSResponse("https://aws", 200, {}, raw)

class Context:
    get_remaining_time_in_millis = staticmethod(lambda: 60_000)

app.session.register("before-send", answer)
app.service = app.wiring.Service(app.session, app.stage, app.templates, app.now)
function = getattr(app, os.environ["_HANDLER"].partition(".")[2])
answered = function(json.loads(os.environ["EVENT"]), Context)
loaded = {module.partition(".")[0] for module in sys.modules}
libraries = sorted(loaded - sys.stdlib_module_names - {"__main__", "__mp_main__"})
status = (answered or {}).get("statusCode")
print(json.dumps([libraries, calls, clients, status]))
"""


def request(method: str, path: str, **parts: Any) -> dict[str, Any]:
    """Return a request as API Gateway hands it over, as far as Chalice reads it."""
    return {
        "headers": {"Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "resourcePath": path},
        "body": None,
        "isBase64Encoded": False,
        **parts,
    }


CLICK = {"email": ["alexis@example.org"], "token": ["A" * 43]}
INSERTED = {
    "eventName": "INSERT",
    "dynamodb": {"NewImage": {"email": {"S": "alexis@example.org"}, "mail": {"S": "owed"}}},
}
BOUNCED = bounce("alexis@example.org")
NOTIFICATION = {
    "TopicArn": TOPIC,
    "Subject": None,
    "Message": json.dumps(BOUNCED),
    "MessageAttributes": {},
}


COMPILED = """
import importlib.machinery, json
compiled = []
compile_ = importlib.machinery.SourceFileLoader.source_to_code

def note(self, data, path, **more):
    compiled.append(path)
    return compile_(self, data, path, **more)

importlib.machinery.SourceFileLoader.source_to_code = note
import app
_ = app.service.users, app.service.outbox, app.service.drain
print(json.dumps(compiled))
"""


@pytest.fixture(scope="module")
def path(stack: Stack) -> Path:
    (found,) = (stack.folder / "project" / ".chalice" / "deployments").glob("*.zip")
    return found


@pytest.fixture(scope="module")
def package(path: Path) -> ZipFile:
    return ZipFile(path)


def test_the_package_holds_what_lambda_needs_and_nothing_else(package: ZipFile) -> None:
    names = package.namelist()
    ours = {"app.py", "__pycache__", "chalicelib"}
    own = ours | {"chalice", "email_validator", "idna", "dns", "multipart.py"}
    own |= {"disposable_email_domains", "altcha"}
    tops = {name.split("/")[0] for name in names}
    metadata = {top for top in tops if top.endswith(".dist-info")}
    assert tops - metadata <= own | {"typing_extensions.py"}
    assert own <= tops
    for folder in ("mail", "pages", "words"):
        assert any(name.startswith(f"chalicelib/templates/{folder}/") for name in names)
    assert not [name for name in names if name.startswith(("tests", "ops", ".", "boto"))]
    assert sum(info.compress_size for info in package.infolist()) < 1_500_000


def test_every_file_can_be_read_by_any_user(package: ZipFile) -> None:
    """Lambda runs as another user, who could not load a file of the mode 0600."""
    assert {entry.external_attr >> 16 for entry in package.infolist()} == {0o100644}


def test_all_loaded_code_has_its_own_bytecode(package: ZipFile) -> None:
    """Lambda cannot keep what it compiles: without, each cold start takes a fifth longer."""
    caches = {name for name in package.namelist() if "__pycache__" in name}
    code = [name for name in package.namelist() if name.endswith(".py")]
    loaded = [name for name in code if not name.startswith("dns/")]
    assert caches == {importlib.util.cache_from_source(name) for name in loaded}
    for name in loaded:
        cached = package.read(importlib.util.cache_from_source(name))
        # PEP 552: flags that say "compare with the source", then the source's hash.
        assert cached[4:8] == (0b11).to_bytes(4, "little")
        assert cached[8:16] == importlib.util.source_hash(package.read(name)), name


@pytest.fixture(scope="module")
def beside(path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return where Lambda finds what a function imports: the package and its own libraries."""
    folder = tmp_path_factory.mktemp("lambda")
    code, runtime = folder / "code", folder / "runtime"
    unpack(path, code)
    runtime.mkdir()
    for name in LAMBDA_HAS:
        distribution = importlib.metadata.distribution(name)
        site = Path(str(distribution.locate_file("")))
        for top in {Path(str(file)).parts[0] for file in distribution.files or ()} - {".."}:
            (runtime / top).symlink_to(site / top)
    return [str(code), str(runtime)]


def run(script: str, beside: list[str], **environment: str) -> str:
    """Return what ``script`` prints in a process that has nothing but what Lambda has, and may read
    what another user than the files' own may."""
    # -I and -S: no environment, no site-packages; all there is stands in sys.path.
    script = f"import sys; sys.path[:0] = {beside!r}\n{script}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", script],
        env={**SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=obey_modes,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_runs_with_nothing_beside_it_but_boto3(beside: list[str]) -> None:
    assert run(USE_EVERYTHING, beside) == "ready\n"


def test_another_user_compiles_nothing_at_a_cold_start(beside: list[str]) -> None:
    assert json.loads(run(COMPILED, beside)) == []


def test_bytecode_for_its_owner_alone_is_lost(
    path: Path, tmp_path: Path, beside: list[str]
) -> None:
    """So were all our packages once, and those of a plain `chalice deploy` have none."""
    closed = tmp_path / "closed.zip"
    with ZipFile(path) as package, ZipFile(closed, "w") as archive:
        for entry in package.infolist():
            content = package.read(entry)
            entry.external_attr = (0o100600 if entry.filename.endswith(".pyc") else 0o100644) << 16
            archive.writestr(entry, content)
    unpack(closed, tmp_path / "code")
    assert len(json.loads(run(COMPILED, [str(tmp_path / "code"), beside[1]]))) > 20


def test_all_that_loads_beside_chalice_and_botocore_is_small(
    beside: list[str], package: ZipFile
) -> None:
    """None of Python's takes half a millisecond. Whatever joins them is to be measured first:
    ``python -X importtime``. Nor is there a module of our own that no function needs."""
    loaded = set(json.loads(run(BESIDES, beside)))
    code = [Path(name) for name in package.namelist() if name.startswith("chalicelib/")]
    ours = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in code
        if path.suffix == ".py"
    } | {"app"}
    assert {name for name in ours - loaded if not name.startswith(OPTIONAL)} == set()
    assert loaded - ours <= {"concurrent.futures.thread", "gc", "secrets", "unicodedata"}


@pytest.mark.parametrize(
    ("function", "event", "calls"),
    [
        pytest.param(
            "app", request("POST", "/users", body=json.dumps(ALEXIS)), ["UpdateItem"], id="sign up"
        ),
        pytest.param(
            "app",
            request("GET", "/validate", multiValueQueryStringParameters=CLICK),
            ["UpdateItem"],
            id="validate",
        ),
        pytest.param("app", request("GET", "/"), [], id="page"),
        pytest.param(
            "send_validation_mail",
            {"Records": [INSERTED]},
            ["UpdateItem", "UpdateItem", "UpdateItem", "SendEmail", "UpdateItem"],
            id="mailer",
        ),
        pytest.param(
            "record_mail_feedback",
            {"Records": [{"Sns": NOTIFICATION}]},
            ["UpdateItem", "UpdateItem"],
            id="feedback",
        ),
        pytest.param(
            "resend_owed_mail",
            EVERY_MINUTE,
            ["UpdateItem", "Scan", *["Query"] * SLOTS, "UpdateItem"],
            id="drain",
        ),
    ],
)
def test_a_cold_start_loads_and_asks_for_only_this(
    beside: list[str], function: str, event: dict[str, Any], calls: list[str]
) -> None:
    """boto3 would take a tenth longer, email-validator too, and so may whatever joins this list.

    Clients are made while the function loads, for which Lambda gives it a whole processor.
    """
    told = run(COLD_START, beside, _HANDLER=f"app.{function}", EVENT=json.dumps(event))
    libraries, called, clients, status = json.loads(told.splitlines()[-1])
    aws = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
    assert set(libraries) == {"app", "chalice", "chalicelib", *aws}
    assert called == calls
    sends = function in ("send_validation_mail", "resend_owed_mail")
    assert clients == (["mailer"] if sends else ["users"])
    assert status in (None, 200, 202)
