# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A browser for the tests: it trusts the hub's CA alone, shows a certificate if it has one, and keeps cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 30  # seconds; a page asks the hub
_USER = re.compile(r"<b id='user'>([^<]*)</b>")
_VERSION = re.compile(r"<span id='version'>([^<]*)</span>")


@dataclass
class Browser:
    """One person's; `url` is that of the web pages."""

    url: str
    ca: Path
    pem: Path | None = None
    cookies: requests.cookies.RequestsCookieJar = field(default_factory=requests.cookies.RequestsCookieJar)

    def get(self, path: str = "/", *, follow: bool = True) -> requests.Response:
        """Fetch a page below the web pages' URL, on a connection of its own."""
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.ca)
            session.cert = str(self.pem) if self.pem else None
            session.cookies = self.cookies
            return session.get(f"{self.url}{path}", timeout=TIMEOUT, allow_redirects=follow)

    def answers(self) -> bool:
        """Whether the front page is there."""
        try:
            return self.get().status_code == HTTPStatus.OK
        except requests.RequestException:
            return False

    def page(self, path: str = "/") -> str:
        """The text of a page that is there."""
        answer = self.get(path)
        assert answer.status_code == HTTPStatus.OK, f"{answer.status_code}: {answer.text}"
        return answer.text

    def login(self) -> requests.Response:
        """Log in with the certificate, and end up at the front page."""
        return self.get("/login")

    @property
    def user(self) -> str:
        """Who is logged in, as the front page says, '' for nobody."""
        found = _USER.search(self.page())
        return found.group(1) if found else ""

    @property
    def hub_version(self) -> str:
        """What the front page has asked the hub."""
        found = _VERSION.search(self.page())
        assert found
        return found.group(1)
