"""Locust's visitor: signs up one new user after another."""

import os
import uuid
from pathlib import Path
from typing import Any

from locust import HttpUser, events, task

accepted: list[str] = []
"""Whoever was answered 202, which ACCEPTED, a file, says afterwards."""


class Visitor(HttpUser):
    @task
    def sign_up(self) -> None:
        person = {"email": f"{uuid.uuid4().hex}@example.org", "prenom": "Alexis", "nom": "Horn"}
        with self.client.post("/users", json=person, catch_response=True) as answer:
            if answer.status_code == 202:
                accepted.append(person["email"])
            else:
                answer.failure(f"answered {answer.status_code}")


@events.quitting.add_listener
def tell(**_: Any) -> None:
    Path(os.environ["ACCEPTED"]).write_text("\n".join(accepted), encoding="utf-8")
