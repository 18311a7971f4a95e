"""Journeys through the deployed package: HTTP in, a mail out, its link back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from tests.e2e.stack import HTTP, Stack, link_in
from tests.support.service import BROWSER

NAMES = {"prenom": "Alexis", "nom": "GÜNST HORN"}
LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}


def validated(answer: urllib3.BaseHTTPResponse) -> bool:
    return (answer.status, answer.json()["status"]) == (200, "validated")


@pytest.mark.parametrize("post", ["post", "post_form"])
def test_sign_up_read_the_mail_click_and_click_again(stack: Stack, post: str) -> None:
    email = f"{post}+1@example.org"
    answer = getattr(stack, post)("/users", {"email": email, **NAMES, "lang": "fr"})
    assert answer.status == 202

    (mail,) = stack.wait_for_mails(email)
    assert mail["Subject"] == "Bienvenue Alexis GÜNST HORN !"
    assert mail["From"] == "Bienvenue <bienvenue@example.org>"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = link_in(mail)
    assert text.startswith(
        f"Bienvenue Alexis GÜNST HORN !\n\nMerci de valider votre e-mail: {link}\n"
    )
    assert link.startswith(f"{stack.api}/validate?")

    assert validated(stack.open(link))
    again = stack.open(link)
    assert (again.status, again.json()["status"]) == (200, "already_validated")
    assert "validated_at" in stack.item(email)


def test_the_articles_own_item_gets_its_mail_and_a_working_link(stack: Stack) -> None:
    item = {
        "email": {"S": "alexis@example.org"},
        "nom": {"S": "GÜNST HORN"},
        "prenom": {"S": "Alexis"},
    }
    stack.client("dynamodb").put_item(TableName=stack.table, Item=item)
    (mail,) = stack.wait_for_mails("alexis@example.org")
    assert mail["Subject"] == "Bienvenue Alexis GÜNST HORN !"
    assert validated(stack.open(link_in(mail)))


def test_another_writers_spelling_of_an_address_is_kept(stack: Stack) -> None:
    email = "Mixed.Case@Example.org"
    stack.client("dynamodb").put_item(TableName=stack.table, Item={"email": {"S": email}})
    (mail,) = stack.wait_for_mails(email)
    assert mail["Subject"] == "Bienvenue !"
    assert validated(stack.open(link_in(mail)))
    assert stack.item(email.lower()) == {}


def test_an_international_domain_and_a_plus_survive_to_the_link(stack: Stack) -> None:
    stack.post("/users", {"email": "Zoe's+x@Bücher.Example", **NAMES})
    (mail,) = stack.wait_for_mails("zoe's+x@xn--bcher-kva.example")
    assert validated(stack.open(link_in(mail)))


def test_a_browser_that_prefers_english_gets_english(stack: Stack) -> None:
    headers = {"Accept-Language": "en-GB,en;q=0.8"}
    stack.post("/users", {"email": "english@example.org", **NAMES}, **headers)
    (mail,) = stack.wait_for_mails("english@example.org")
    assert mail["Subject"] == "Confirm your email address for Bienvenue"


def test_a_wrong_token_validates_nobody(stack: Stack) -> None:
    email = "wrong@example.org"
    stack.post("/users", {"email": email, **NAMES})
    (mail,) = stack.wait_for_mails(email)
    link = link_in(mail)
    token = parse_qs(urlsplit(link).query)["token"][0]
    answer = stack.open(link.replace(token, token[::-1]))
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert "validated_at" not in stack.item(email)


def test_an_expired_link_leads_to_a_new_one(stack: Stack) -> None:
    email = "late@example.org"
    stack.post("/users", {"email": email, **NAMES})
    (mail,) = stack.wait_for_mails(email)
    stack.wait_for_item(email, "delivered")
    stack.expire_links(email)
    assert stack.open(link_in(mail)).status == 410

    assert stack.post("/resend", {"email": email}).status == 202
    mails = stack.wait_for_mails(email, 2)
    assert validated(stack.open(link_in(mails[1])))


def test_resending_waits_a_minute_and_ends_with_the_fifth_mail(stack: Stack) -> None:
    email = "eager@example.org"
    stack.post("/users", {"email": email, **NAMES})
    stack.wait_for_item(email, "delivered")
    for _ in range(3):
        assert stack.post("/resend", {"email": email}).status == 202
    assert stack.item(email)["mail"] == {"S": "delivered"}

    for sent in range(2, 6):
        stack.change(email, mail_at=LONG_AGO)
        stack.post("/resend", {"email": email})
        stack.wait_for_mails(email, sent)
        stack.wait_for_item(email, "delivered")
    stack.change(email, mail_at=LONG_AGO)
    for path in ("/resend", "/users"):
        fields = {"email": email} if path == "/resend" else {"email": email, **NAMES}
        assert stack.post(path, fields).status == 202
    assert stack.item(email)["mail"] == {"S": "delivered"}
    assert len(stack.mails(email)) == 5


def test_signing_up_again_changes_no_validated_user(stack: Stack) -> None:
    email = "done@example.org"
    stack.post("/users", {"email": email, **NAMES})
    (mail,) = stack.wait_for_mails(email)
    stack.wait_for_item(email, "delivered")
    assert validated(stack.open(link_in(mail)))
    stack.change(email, mail_at=LONG_AGO)
    before = stack.item(email)
    stack.post("/users", {"email": email, "prenom": "Mallory", "lang": "en"})
    stack.post("/resend", {"email": email})
    assert stack.item(email) == before


def test_many_at_once_get_one_mail_each(stack: Stack) -> None:
    people = [f"many{n}@example.org" for n in range(40)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda email: stack.post("/users", {"email": email, **NAMES}), people)
        )
    assert {answer.status for answer in answers} == {202}
    for email in people:
        stack.wait_for_item(email, "delivered")
    assert {len(stack.wait_for_mails(email)) for email in people[::8]} == {1}
    assert {stack.item(email)["mail_count"]["N"] for email in people} == {"1"}


def test_bad_input_is_a_problem_and_writes_nothing(stack: Stack) -> None:
    broken = HTTP.request(
        "POST", f"{stack.api}/users", body=b"{", headers={"Content-Type": "application/json"}
    )
    assert (broken.status, broken.headers["Content-Type"]) == (400, "application/problem+json")
    wrong = stack.post("/users", {"email": "nobody", "prenom": "http://x.example", "age": 7})
    assert wrong.status == 422
    assert {error["pointer"] for error in wrong.json()["errors"]} == {
        "#/email",
        "#/prenom",
        "#/age",
    }
    assert stack.item("nobody") == {}


def test_a_browser_gets_the_sign_up_page(stack: Stack) -> None:
    page = stack.get(f"{stack.api}/", Accept=BROWSER)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f'action="{stack.api}/users"' in page.data.decode()


def test_no_log_of_the_stack_contains_personal_data(stack: Stack) -> None:
    """Runs on what the other journeys have left behind, and on one of its own."""
    stack.post("/users", {"email": "logged@example.org", **NAMES})
    (mail,) = stack.wait_for_mails("logged@example.org")
    stack.wait_for_item("logged@example.org", "delivered")
    token = parse_qs(urlsplit(link_in(mail)).query)["token"][0]
    logs = stack.client("logs")
    lines = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"]
        )
        for event in page["events"]
    ]
    assert any("mail sent user=" in line for line in lines), "the mailer's own lines are there"
    everything = json.dumps(lines, ensure_ascii=False)
    for secret in (token, "logged@", "GÜNST", "Alexis", "token="):
        assert secret not in everything
