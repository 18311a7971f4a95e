"""A botocore session that starts quickly and connects cheaply. What it makes are botocore's own
clients; app.py asks for them."""

import gc
import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore import httpsession
from botocore.session import Session  # not boto3: that makes the same clients, a tenth later

# Asked by a session itself, for a profile that assumes a role or comes from single sign-on.
_OF_CREDENTIALS = ("sts", "sso", "sso-oidc")


class QuickSession(Session):
    """Makes clients of ``services``, and of no others but those that credentials may come from.
    Where another botocore works otherwise than this expects, it is only as slow as botocore is."""

    def __init__(self, *services: str) -> None:
        super().__init__()
        self._tls: dict[Any, Any] = {}  # by the bundle of authorities that is believed
        loader: Any = self.get_component("data_loader")
        if files := getattr(loader, "file_loader", None):
            loader.file_loader = _PlainFiles(files)
        # Or botocore looks into the folders of all its services for whether ours is among them.
        loader.list_available_services = lambda type_name: [  # noqa: ARG005 - passed by name, too
            *services,
            *_OF_CREDENTIALS,
        ]

    def create_client(self, *args: Any, **options: Any) -> Any:
        # It reads a megabyte of JSON and keeps it all: looking for garbage there is in vain.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            client = super().create_client(*args, **options)
        finally:
            if was_enabled:
                gc.enable()
        self._share_authorities(client)
        return client

    def _share_authorities(self, client: Any) -> None:
        """Have all connections of all clients share their authorities, which are read now and once.

        Else each connection reads them: 30 ms of a processor, so seconds for a batch of mails.
        https://github.com/urllib3/urllib3/issues/3623
        """
        try:
            http = client._endpoint.http_session
            bundle = httpsession.get_cert_path(http._verify)
            pools = http._manager.connection_pool_kw
            context = pools["ssl_context"]
        except (AttributeError, KeyError):
            return
        if bundle not in self._tls:
            context.load_verify_locations = _once(context.load_verify_locations)
            self._tls[bundle] = context
        shared = pools["ssl_context"] = self._tls[bundle]
        if bundle and client.meta.endpoint_url.startswith("https:"):
            with suppress(OSError):  # which is then the first call's, as it is botocore's
                shared.load_verify_locations(bundle, None, None)  # as urllib3 will ask for it


class _PlainFiles:
    """botocore's descriptions of services, in plain dicts: its ordered ones take twice as long."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def load_file(self, file_path: str) -> Any:
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            try:
                with opened(file_path + suffix, "rb") as file:
                    return json.load(file)
            except FileNotFoundError:
                pass
        return self._files.load_file(file_path)


def _once(load: Callable[..., None]) -> Callable[..., None]:
    """``load``, which does nothing where it has done the same before."""
    loaded: list[Any] = []

    def load_once(*what: object, **named: object) -> None:
        if (what, named) not in loaded:
            load(*what, **named)
            loaded.append((what, named))

    return load_once
