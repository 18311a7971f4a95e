"""The guard of `make run`, tried by foreign pages in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page, expect

from tests.e2e import browser as browsers
from tests.e2e.stack import HTTP, Stack, wait_for

# What a page can send without asking first, as forms, pictures and fetch do it. Each would make a
# queue, whose name says which did.
ATTACK = """
async ({aws, table}) => {
  const outcomes = {};
  const query = name => `Action=CreateQueue&QueueName=${name}&Version=2012-11-05`;
  const form = {"content-type": "application/x-www-form-urlencoded"};
  const json = target => ({"content-type": "application/x-amz-json-1.0", "x-amz-target": target});
  const put = "DynamoDB_20120810.PutItem";
  const item = JSON.stringify({TableName: table, Item: {email: {S: "evil@example.org"}}});
  const attempts = {
    simple: () => fetch(aws, {method: "POST", body: query("simple"), headers: form}),
    blind: () => fetch(aws, {method: "POST", body: query("blind"), headers: form, mode: "no-cors"}),
    text: () => fetch(aws, {method: "POST", body: item, mode: "no-cors"}),
    asked: () => fetch(aws, {method: "POST", body: item, headers: json(put)}),
    signed: () => fetch(aws, {method: "POST", body: item, headers: {
      ...json(put),
      authorization: "AWS4-HMAC-SHA256 Credential=test/20261126/eu-west-3/dynamodb/aws4_request, "
        + "SignedHeaders=host, Signature=" + "0".repeat(64)}}),
    reset: () => fetch(`${aws}/_ministack/reset`, {method: "POST", mode: "no-cors"}),
    mails: () => fetch(`${aws}/_ministack/ses/messages`),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    try { outcomes[name] = (await attempt()).type; } catch { outcomes[name] = "refused"; }
  }
  await new Promise(done => {
    const picture = new Image();
    picture.onload = picture.onerror = done;
    picture.src = `${aws}/?${query("picture")}`;
  });
  return outcomes;
}
"""
READ_MAILBOX = """
async mailbox => {
  try { return await (await fetch(`${mailbox}/messages/`)).text(); } catch { return "refused"; }
}
"""


@pytest.fixture(scope="module")
def foreign() -> Iterator[int]:
    """The port of a server on this machine that has nothing to do with ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Foreign</title><body>")

        def log_message(self, *_: object) -> None:
            """Say nothing: pytest is talking."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def queues(stack: Stack) -> set[str]:
    urls = stack.client("sqs").list_queues().get("QueueUrls", [])
    return {url.rpartition("/")[2] for url in urls}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.localhost"])
def test_a_foreign_page_can_change_and_read_nothing(
    stack: Stack, page: Page, foreign: int, host: str
) -> None:
    before = queues(stack)
    page.goto(f"http://{host}:{foreign}/")
    outcomes = page.evaluate(ATTACK, {"aws": stack.aws, "table": stack.table})
    assert outcomes == {
        "simple": "refused",
        "blind": "opaque",  # sent, but refused by the guard: see below
        "text": "opaque",
        "asked": "refused",
        "signed": "refused",
        "reset": "opaque",
        "mails": "refused",
    }
    assert page.evaluate(READ_MAILBOX, stack.mailbox) == "refused"
    assert queues(stack) == before
    assert not stack.item("evil@example.org")
    assert stack.get(f"{stack.api}/").status == 200


def test_a_foreign_form_cannot_use_the_aws_apis(stack: Stack, page: Page, foreign: int) -> None:
    page.goto(f"http://127.0.0.1:{foreign}/")
    page.set_content(
        f'<form method="post" action="{stack.aws}/"><input name="Action" value="CreateQueue">'
        '<input name="QueueName" value="form"><button>Go</button></form>'
    )
    page.get_by_role("button").click()
    expect(page.get_by_text("may not use this").last).to_be_visible()
    assert "form" not in queues(stack)


def test_a_foreign_page_cannot_frame_the_mailbox(stack: Stack, page: Page, foreign: int) -> None:
    page.goto(f"http://127.0.0.1:{foreign}/")
    with page.expect_response(f"{stack.mailbox}/") as answer:
        page.set_content(f'<iframe src="{stack.mailbox}/"></iframe>')
    assert answer.value.status == 403


def test_a_rebound_name_reaches_nothing(stack: Stack, browser: Browser, foreign: int) -> None:
    """A stranger's DNS leads a name here, so that to the browser all is of one origin."""
    rebound = "rebound.example"
    rules = f"--host-resolver-rules=MAP {rebound} 127.0.0.1"
    misled = browsers.launch(browser.browser_type, rules)
    page = misled.new_page()
    answers = [
        page.goto(address.replace("127.0.0.1", rebound))
        for address in (f"{stack.aws}/", f"{stack.api}/", f"{stack.mailbox}/messages/")
    ]
    assert [answer and answer.status for answer in answers] == [403, 403, 403]
    reached = page.goto(f"http://{rebound}:{foreign}/")
    assert reached is not None
    assert reached.status == 200, "the name does lead to this machine"
    misled.close()


def test_the_app_itself_answers_a_foreign_form(stack: Stack, page: Page, foreign: int) -> None:
    """The deployed API is as open as on AWS, where the app decides by ALLOWED_ORIGINS."""
    email = "foreign.form@example.org"
    page.goto(f"http://127.0.0.1:{foreign}/")
    page.set_content(
        f'<form method="post" action="{stack.api}/users"><input name="email" value="{email}">'
        '<input name="prenom" value="Alexis"><button>Go</button></form>'
    )
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="another website", level=1)).to_be_visible()


def test_keys_of_another_run_are_refused_as_aws_does(stack: Stack) -> None:
    def code(service: str, call: str, **options: Any) -> str:
        client = boto3.client(
            service,
            endpoint_url=stack.aws,
            region_name=stack.region,
            aws_access_key_id="LOCALOFANOTHERRUN",
            aws_secret_access_key="other",
        )
        with pytest.raises(ClientError) as error:
            getattr(client, call)(**options)
        return str(error.value.response["Error"]["Code"])

    assert code("dynamodb", "list_tables") == "UnrecognizedClientException"
    assert code("lambda", "list_functions") == "UnrecognizedClientException"
    assert code("sts", "get_caller_identity") == "UnrecognizedClientException"


def test_a_strange_host_is_refused_to_programs_too(stack: Stack) -> None:
    for address in (stack.aws, f"{stack.api}/", stack.mailbox):
        assert HTTP.request("GET", address, headers={"Host": "evil.example"}).status == 403


# The mailbox


def test_a_link_in_the_mailbox_opens_in_a_new_tab(stack: Stack, page: Page) -> None:
    email = "mailbox.journey@example.org"
    page.goto(stack.mailbox)
    expect(page.get_by_role("heading", name="Mailbox", level=1)).to_be_visible()
    stack.post("/users", {"email": email, "prenom": "Alexis", "lang": "en"})
    expect(page.get_by_role("navigation").get_by_text(email)).to_be_visible()  # comes by itself
    page.get_by_role("navigation").get_by_text(email).click()
    page.wait_for_url("**/?mail=*")  # "/" shows the newest mail, too, until the click has its page
    expect(page.get_by_role("definition").get_by_text(email, exact=True)).to_be_visible()
    mail = page.frame_locator("iframe")
    with page.context.expect_page() as opened:
        mail.locator("a[href*='/validate']").first.click()
    opened.value.wait_for_load_state()
    assert opened.value.url.startswith(stack.api)
    assert "/validate" in opened.value.url
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    assert page.url.startswith(stack.mailbox)
    button = opened.value.get_by_role("button")  # asked of a browser that did not sign up
    if not stack.item(email).get("validated_at"):
        button.first.click()
    wait_for(lambda: stack.item(email).get("validated_at"), 10, "validated")


def test_the_mailbox_is_accessible_and_fits(stack: Stack, page: Page) -> None:
    stack.post("/users", {"email": "axe@example.org", "prenom": "Alexis", "lang": "en"})
    stack.wait_for_mails("axe@example.org")
    page.goto(stack.mailbox)
    expect(page.locator("iframe")).to_be_visible()
    browsers.look(page, "mailbox")


def test_a_reader_keeps_the_mail_that_they_chose(stack: Stack, page: Page) -> None:
    for email in ("first.choice@example.org", "second@example.org"):
        stack.post("/users", {"email": email, "prenom": "Alexis"})
        stack.wait_for_mails(email)
        if email.startswith("first"):
            page.goto(stack.mailbox)
            page.get_by_role("navigation").get_by_text(email).click()
    expect(page.get_by_role("navigation").get_by_text("second@example.org")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("New mail")
    expect(page.get_by_role("definition").get_by_text("first.choice@example.org")).to_be_visible()
