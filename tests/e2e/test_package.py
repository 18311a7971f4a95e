"""The zip that Chalice built, taken alone: what is in it, and that nothing is missing from it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.e2e.stack import Stack

# What Lambda's Python brings along, of what is installed here.
LAMBDA_HAS = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
SETTINGS = {
    "USERS_TABLE": "users",
    "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2026",
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org",
    "MAIL_FEEDBACK_TOPIC_ARN": "arn:aws:sns:eu-west-3:123456789012:feedback",
    "AWS_DEFAULT_REGION": "eu-west-3",
}
USE_EVERYTHING = """
import sys
import app
from chalicelib import address, templates
app.users(), app.mailer()
assert address.canonical("A@B\\u00fccher.example") == "a@xn--bcher-kva.example"
assert templates.languages() == {"en", "fr"}
for lang in templates.languages():
    assert app.site.pages.sign_up(lang, {})
loaded = {module.split(".")[0] for module in sys.modules}
assert not loaded & {"pytest", "moto", "ops", "tests", "click", "rich"}, loaded
print("ready")
"""


@pytest.fixture(scope="module")
def package(stack: Stack) -> ZipFile:
    (found,) = (stack.folder / "project" / ".chalice" / "deployments").glob("*.zip")
    return ZipFile(found)


def test_the_package_holds_what_lambda_needs_and_nothing_else(package: ZipFile) -> None:
    names = package.namelist()
    own = {"app.py", "chalicelib", "chalice", "email_validator", "idna", "dns"}
    tops = {name.split("/")[0] for name in names}
    metadata = {top for top in tops if top.endswith(".dist-info")}
    assert tops - metadata <= own | {"typing_extensions.py"}
    assert own <= tops
    for folder in ("mail", "pages"):
        for lang in ("fr", "en"):
            assert any(name.startswith(f"chalicelib/templates/{folder}/{lang}/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert not [name for name in names if name.startswith(("tests", "ops", ".", "boto"))]
    assert sum(info.compress_size for info in package.infolist()) < 1_500_000


def test_the_package_runs_with_nothing_beside_it_but_boto3(
    package: ZipFile, tmp_path: Path
) -> None:
    code, runtime = tmp_path / "code", tmp_path / "runtime"
    package.extractall(code)
    runtime.mkdir()
    for name in LAMBDA_HAS:
        distribution = importlib.metadata.distribution(name)
        site = Path(str(distribution.locate_file("")))
        for top in {Path(str(file)).parts[0] for file in distribution.files or ()} - {".."}:
            (runtime / top).symlink_to(site / top)
    script = f"import sys; sys.path[:0] = [{str(code)!r}, {str(runtime)!r}]\n{USE_EVERYTHING}"
    # -I and -S: no environment, no site-packages; all there is stands in sys.path above.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", script],
        env=SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("ready\n", 0), done.stderr
