"""What locust does: sign up somebody new, and somebody else as soon as that is answered."""

import uuid

from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def sign_up(self) -> None:
        person = {"email": f"{uuid.uuid4().hex}@example.org", "prenom": "Alexis", "nom": "Horn"}
        with self.client.post("/users", json=person, catch_response=True) as answer:
            if answer.status_code != 202:
                answer.failure(f"answered {answer.status_code}")
