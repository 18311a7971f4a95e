"""A botocore session that starts quickly and connects cheaply."""

import gc
import gzip
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore import httpsession
from botocore.session import Session  # not boto3: it adds about 10 % to a cold start

# The session itself calls these, for a profile that assumes a role or uses single sign-on.
_OF_CREDENTIALS = ("sts", "sso", "sso-oidc")


class QuickSession(Session):
    """Makes clients of ``services``, and of the services that credentials can come from.

    Each reach into botocore's private parts is safe to delete: clients then start as slowly as
    botocore's own. The same happens if another botocore version has other private parts.
    """

    def __init__(self, *services: str) -> None:
        super().__init__()
        self._tls: dict[Any, Any] = {}  # keyed by the bundle of certificate authorities
        loader: Any = self.get_component("data_loader")
        if files := getattr(loader, "file_loader", None):
            loader.file_loader = _PlainFiles(files)
        # Otherwise botocore searches the folders of about 450 services for ours.
        loader.list_available_services = lambda type_name: [  # noqa: ARG005 - passed by name, too
            *services,
            *_OF_CREDENTIALS,
        ]

    def create_client(self, *args: Any, **options: Any) -> Any:
        # This reads a megabyte of JSON and keeps it all, so there is no garbage to collect.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            client = super().create_client(*args, **options)
        finally:
            if was_enabled:
                gc.enable()
        self._share_authorities(client)
        self._send_whole_requests(client)
        self._keep_endpoint(client)
        return client

    def _share_authorities(self, client: Any) -> None:
        """Make all connections share one set of certificate authorities, read once.

        Otherwise each connection reads them for 30 ms: seconds for a batch of mails.
        Safe to delete. https://github.com/urllib3/urllib3/issues/3623
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
            with suppress(OSError):  # the first call raises it again, as in botocore
                shared.load_verify_locations(bundle, None, None)  # the name that urllib3 will call

    def _keep_endpoint(self, client: Any) -> None:
        """Send each call to the client's own endpoint.

        Otherwise botocore works out the endpoint again for each call: 3 % of its work. The result
        is the same, except for FIPS and dual-stack endpoints. Safe to delete.
        """
        config = client.meta.config
        if not (config.use_fips_endpoint or config.use_dualstack_endpoint):
            client._ruleset_resolver = None

    def _send_whole_requests(self, client: Any) -> None:
        """Make connections write a request's headers and body at once, as botocore's mean to.

        urllib3 2 writes them apart: two system calls, TLS records and packets. 4 % of a call's
        work, and more between threads. Safe to delete.
        """
        try:
            pools = client._endpoint.http_session._pool_classes_by_scheme
        except AttributeError:
            return
        for scheme, pool in pools.items():
            connection = type("Connection", (_WholeRequests, pool.ConnectionCls), {})
            pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})


class _WholeRequests:
    """A connection that writes a request's headers and body at once."""

    _whole_body: bytes | None = None

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        is_whole = isinstance(body, bytes) and "Content-Length" in (headers or {})
        self._whole_body = body if is_whole else None
        connection: Any = super()
        connection.request(method, url, None if is_whole else body, headers, **options)

    def endheaders(self, message_body: Any = None, **options: Any) -> None:
        connection: Any = super()
        connection.endheaders(self._whole_body or message_body, **options)


class _PlainFiles:
    """botocore's service descriptions in plain dicts: ordered ones take twice as long."""

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
    """Return ``load``, but let it do nothing for arguments that it has seen before."""
    loaded: list[Any] = []

    def load_once(*arguments: object, **named: object) -> None:
        if (arguments, named) not in loaded:
            load(*arguments, **named)
            loaded.append((arguments, named))

    return load_once
