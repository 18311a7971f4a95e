"""A Django site with the views of docs/embedding.md, for one request of a browser.

``python django_site.py COOKIES PATH FIELDS`` posts a form, and prints the answer as JSON. The
browser's cookies are in the file COOKIES, and views.py is in the current folder.
"""

import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.test import Client
from django.urls import path

sys.path.insert(0, str(Path.cwd()))
cookies, address, fields = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
settings.configure(
    ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="a secret of this test alone, and not a short one",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True,
)
django.setup()

import views  # noqa: E402  # it needs the settings

urlpatterns = [path("sign-up", views.sign_up), path("confirm", views.confirm)]
browser = Client()
if cookies.exists():
    browser.cookies.load(cookies.read_text(encoding="utf-8"))
answer = browser.post(address, fields, headers={"Accept-Language": "en"})
cookies.write_text(browser.cookies.output(header="", sep=";"), encoding="utf-8")
sys.stdout.write(json.dumps({"status": answer.status_code, "answer": answer.json()}))
