"""The GitHub sign-in stand-in: OAuth 2 with an authorization code, and the two API routes about the signed-in user.

Differences from GitHub: redirects must be registered exactly, where GitHub also takes paths below; one port is both
github.com and its API; Mallory shows an address in ``/user`` that is not verified, which GitHub would not allow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from local.standins.control import Control, Fault, Json, answer_json, json_object
from local.standins.signin_flow import (
    AUTHORIZE_FAULTS,
    AuthorizationRequest,
    BadCode,
    Client,
    Consent,
    GrantStore,
    Refused,
    TokenGrant,
    add_routes,
    checked_challenge,
    options_for,
    single,
)
from local.standins.signin_pages import Branding, Choice
from local.standins.transport import TRANSPORT, serve

DOCUMENTATION = "https://docs.github.com/rest"
DENIAL = {"error_description": "The user has denied your application access."}
TEXTS = {
    "bad_verification_code": "The code passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
    "unverified_user_email": "The user must have a verified primary email.",
}
FAULTS = {
    "authorize": AUTHORIZE_FAULTS,
    "choose": TRANSPORT,
    "token": TRANSPORT | {"bad_verification_code", "error_200"},
    "user": TRANSPORT | {"no_email"},
    "emails": TRANSPORT | {"no_email", "unverified_email"},
}


@dataclass(frozen=True, slots=True)
class Address:
    """One e-mail address of an account."""

    email: str
    primary: bool = False
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """A GitHub account; ``email`` is what its profile shows."""

    id: int
    login: str
    name: str
    email: str | None
    addresses: tuple[Address, ...]
    note: str = ""


def plain(number: int, login: str, name: str) -> Account:
    """Return an account whose only address is public."""
    email = f"{login}@example.com"
    return Account(number, login, name, email, (Address(email, primary=True),))


ACCOUNTS = {
    account.login: account
    for account in (
        plain(1001, "ada", "Ada Lovelace"),
        plain(1002, "grace", "Grace Hopper"),
        plain(1003, "admin", "Admin Example"),
        Account(
            1004, "mallory", "Mallory Unverified", "ada@example.com",
            (Address("ada@example.com", primary=True, verified=False), Address("mallory@example.com")),
            "claims another's e-mail, not verified",
        ),
        Account(
            1005, "hedy", "Hedy Lamarr", None,
            (
                Address("hedy.old@example.com", verified=False),
                Address("hedy.work@example.com"),
                Address("hedy@example.com", primary=True),
                Address("1005+hedy@users.noreply.example.com"),
            ),
            "e-mail private, several addresses",
        ),
        Account(
            1006, "nora", "Nora Newcomer", None,
            (Address("nora@example.com", primary=True, verified=False),
             Address("nora.other@example.com", verified=False)),
            "no verified e-mail at all",
        ),
    )
}  # fmt: skip


class GitHub:
    """The provider with one registered application, its codes and tokens."""

    def __init__(self, client: Client) -> None:
        self.control = Control(FAULTS)
        self._client = client
        self._grants = GrantStore(self.control, prefix="", revoke_replayed=False)
        choices = [
            Choice(login, account.name, f"{login}@example.com", account.note)
            for login, account in ACCOUNTS.items()
        ]
        look = Branding("GitHub", "#6e40c9")
        self.consent = Consent(self.control, self._grants, look=look, choices=choices, denial=DENIAL)

    def authorize(self, fault: Fault | None) -> Response:
        """Check an authorization request, then show the accounts; errors are shown here, never redirected."""
        try:
            return self.consent.ask(self._asked(), fault)
        except Refused as problem:
            return self.consent.refused(problem)

    def token(self, fault: Fault | None) -> Response:
        """Exchange a code for an access token; errors have status 200 too, as at GitHub."""
        try:
            document = self._token(fault)
        except Refused as problem:
            document = {"error": problem.error, "error_description": problem.text}
        headers = {"Cache-Control": "no-store"}
        if "application/json" in request.headers.get("Accept", ""):
            return answer_json(document, 200, headers)
        return Response(urlencode(document), 200, headers, content_type="application/x-www-form-urlencoded")

    def user(self, fault: Fault | None) -> Response:
        """Return the account of the access token."""
        account, scopes = self._bearer()
        hidden = fault is not None and fault.kind == "no_email"
        document = {
            "login": account.login,
            "id": account.id,
            "type": "User",
            "site_admin": False,
            "name": account.name,
            "email": None if hidden else account.email,
            "created_at": "2020-01-01T00:00:00Z",
        }
        return answer_json(document, 200, {"X-OAuth-Scopes": ", ".join(sorted(scopes))})

    def emails(self, fault: Fault | None) -> Response:
        """Return the addresses of the account, 404 without the scope for them."""
        account, scopes = self._bearer()
        if not scopes & {"user", "user:email"}:
            raise Refused("Not Found", "", 404)
        kind = fault.kind if fault else ""
        found = [
            {
                "email": address.email,
                "primary": address.primary,
                "verified": address.verified and kind != "unverified_email",
                "visibility": ("public" if account.email else "private") if address.primary else None,
            }
            for address in account.addresses
        ]
        return answer_json([] if kind == "no_email" else found)

    def _asked(self) -> AuthorizationRequest:
        given = single(request.args)
        if given.get("client_id") != self._client.id:
            raise Refused("not_found", "There is no such application.", 404)
        redirect_uri = given.get("redirect_uri", self._client.redirects[0])
        if redirect_uri not in self._client.redirects:
            raise Refused("redirect_uri_mismatch", TEXTS["redirect_uri_mismatch"])
        scopes = frozenset(given.get("scope", "").replace(",", " ").split())
        return AuthorizationRequest(redirect_uri, scopes, given.get("state", ""), checked_challenge(given))

    def _token(self, fault: Fault | None) -> dict[str, str]:
        given = {**single(request.form), **{name: str(value) for name, value in json_object().items()}}
        if fault and fault.kind == "error_200":
            error = fault.text("error", "unverified_user_email")
            raise Refused(error, fault.text("error_description", TEXTS.get(error, "As told.")))
        if not self._client.known_by(given.get("client_id", ""), given.get("client_secret", "")):
            raise refused("incorrect_client_credentials")
        if fault and fault.kind == "bad_verification_code":
            raise refused("bad_verification_code")
        try:
            grant = self._grants.redeem(
                given.get("code", ""),
                redirect_uri=given.get("redirect_uri"),
                verifier=given.get("code_verifier", ""),
            )
        except BadCode as problem:
            mismatch = problem.reason == "redirect"
            raise refused("redirect_uri_mismatch" if mismatch else "bad_verification_code") from problem
        token, scopes = f"gho_{self._grants.names.next(36)}", grant.asked.scopes
        self._grants.hold(grant, token, TokenGrant(ACCOUNTS[grant.user], scopes, math.inf))
        return {"access_token": token, "scope": ",".join(sorted(scopes)), "token_type": "bearer"}

    def _bearer(self) -> tuple[Account, frozenset[str]]:
        if not request.headers.get("User-Agent"):
            raise Refused("Please make sure your request has a User-Agent header.", "", 403)
        held = self._grants.holder()
        if held is None or not isinstance(held.user, Account):
            known = "Authorization" in request.headers
            raise Refused("Bad credentials" if known else "Requires authentication", "", 401)
        return held.user, held.scopes


def refused(error: str) -> Refused:
    """Return an error of the token route."""
    return Refused(error, TEXTS[error])


def problem_json(message: str, status: int) -> Response:
    """Return an error of the API."""
    document: Json = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return answer_json(document, status)


def github_app(github: GitHub, port: int) -> Flask:
    """Return the application of the port."""
    app = Flask("github")
    github.control.watch(app, port)

    @app.errorhandler(Refused)
    def api_error(problem: Refused) -> Response:
        return problem_json(problem.error, problem.status)

    @app.errorhandler(HTTPException)
    def unrouted(problem: HTTPException) -> Response:
        return problem_json(problem.name, problem.code or 404)

    add_routes(
        app,
        github.control,
        [
            ("GET", "/login/oauth/authorize", "authorize", github.authorize),
            ("POST", "/choose", "choose", github.consent.choose),
            ("POST", "/login/oauth/access_token", "token", github.token),
            ("GET", "/user", "user", github.user),
            ("GET", "/user/emails", "emails", github.emails),
        ],
    )
    app.register_blueprint(github.control.routes())
    return app


def main() -> None:
    """``python -m local.standins.github --port 8805``."""
    options = options_for("GitHub")
    github = GitHub(Client.of(options))
    serve("GitHub stand-in", [(github_app(github, options.port), options.port)])


if __name__ == "__main__":
    main()
