"""The Google sign-in stand-in: OpenID Connect with an authorization code, PKCE, an id_token, and fixed demo accounts.

Differences from Google: PKCE, ``state`` and exactly registered redirects on loopback are required, which Google does
not do; one port stands for all of its hosts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from local.standins.control import Control, Fault, Json, answer_json, error_page, json_object
from local.standins.signin_flow import (
    AUTHORIZE_FAULTS,
    AuthorizationRequest,
    BadCode,
    Client,
    CodeGrant,
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
from local.standins.signin_tokens import KINDS, LIFETIME_S, Keys, at_hash
from local.standins.transport import TRANSPORT, serve

LONG = {
    "openid": "openid",
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}  # a scope as it may be asked for, and as it is answered
SHORT = {name: name for name in LONG} | {long: name for name, long in LONG.items()}
FAULTS = {
    **dict.fromkeys(("discovery", "choose", "jwks", "userinfo"), TRANSPORT),
    "authorize": AUTHORIZE_FAULTS,
    "token": TRANSPORT | {"id_token", "replayed_code"},
}
REFUSALS = {
    "unknown": ("invalid_grant", "Malformed auth code."),
    "used": ("invalid_grant", "Bad Request"),
    "expired": ("invalid_grant", "Bad Request"),
    "redirect": ("redirect_uri_mismatch", "Bad Request"),
    "no_verifier": ("invalid_grant", "Missing code verifier."),
    "verifier": ("invalid_grant", "Invalid code verifier."),
}


@dataclass(frozen=True, slots=True)
class Person:
    """A Google account."""

    sub: str
    name: str
    email: str | None
    verified: bool = True

    def claims(self, scopes: frozenset[str]) -> Json:
        """Return the claims that these scopes allow."""
        told: Json = {"sub": self.sub}
        if "email" in scopes and self.email:
            told |= {"email": self.email, "email_verified": self.verified}
        if "profile" in scopes:
            given, _, family = self.name.partition(" ")
            told |= {"name": self.name, "given_name": given, "family_name": family}
        return told


PEOPLE = {
    "ada": Person("110000000000000000001", "Ada Lovelace", "ada@example.com"),
    "grace": Person("110000000000000000002", "Grace Hopper", "grace@example.com"),
    "admin": Person("110000000000000000003", "Admin Example", "admin@example.com"),
    "mallory": Person("110000000000000000004", "Mallory Unverified", "mallory@example.com", verified=False),
}


class Google:
    """The provider with one registered application, its codes and tokens."""

    def __init__(self, client: Client, port: int) -> None:
        self.control = Control(FAULTS, {"id_token": KINDS})
        self.base = f"http://127.0.0.1:{port}"
        self.keys = Keys()
        self._client = client
        self._grants = GrantStore(self.control, prefix="4/0A", revoke_replayed=True)
        choices = [
            Choice(key, person.name, str(person.email), "" if person.verified else "e-mail not verified")
            for key, person in PEOPLE.items()
        ]
        self.consent = Consent(
            self.control,
            self._grants,
            look=Branding("Google", "#1a66d6"),
            choices=choices,
            extra=lambda asked: {"scope": long_scopes(asked.scopes), "authuser": "0", "prompt": "consent"},
        )
        self.control.on_reset += [self.keys.reset]

    def discovery(self, fault: Fault | None) -> Response:
        """Return the discovery document."""
        del fault
        document = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/o/oauth2/v2/auth",
            "token_endpoint": f"{self.base}/token",
            "userinfo_endpoint": f"{self.base}/userinfo",
            "jwks_uri": f"{self.base}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(LONG),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name", "sub"],
        }
        return answer_json(document, 200, {"Cache-Control": "public, max-age=3600"})

    def jwks(self, fault: Fault | None) -> Response:
        """Return the public keys (JWK set)."""
        del fault
        return answer_json(self.keys.jwks(), 200, {"Cache-Control": "public, max-age=19800, must-revalidate"})

    def authorize(self, fault: Fault | None) -> Response:
        """Check an authorization request, then show the accounts; errors are shown here, never redirected."""
        try:
            return self.consent.ask(self._asked(), fault)
        except Refused as problem:
            return self.consent.refused(problem)

    def token(self, fault: Fault | None) -> Response:
        """Exchange a code for tokens."""
        try:
            return self._tokens(fault)
        except Refused as problem:
            document = {"error": problem.error, "error_description": problem.text}
            return answer_json(document, problem.status, {"Cache-Control": "no-store"})

    def userinfo(self, fault: Fault | None) -> Response:
        """Return the claims of an access token's account."""
        del fault
        held = self._grants.holder()
        if held is None or not isinstance(held.user, Person):
            document = {"error": "invalid_request", "error_description": "Invalid Credentials"}
            return answer_json(document, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return jsonify(held.user.claims(held.scopes))

    def rotate(self) -> Response:
        """``POST /_ctl/rotate``: sign with a new key; ``drop`` takes the older ones out of the key set."""
        self.keys.rotate(drop=json_object().get("drop") is True)
        return jsonify(kids=self.keys.kids())

    def _asked(self) -> AuthorizationRequest:
        given = single(request.args)
        if given.get("client_id") != self._client.id:
            raise Refused("invalid_client", "The OAuth client was not found.", 401)
        redirect_uri = given.get("redirect_uri", "")
        if redirect_uri not in self._client.redirects:
            raise Refused("redirect_uri_mismatch", f"Not registered, exactly so: {redirect_uri or 'none'}")
        if given.get("response_type") != "code":
            raise Refused("unsupported_response_type", "response_type must be code")
        if given.get("response_mode", "query") != "query":
            raise Refused("invalid_request", "response_mode must be query")
        wanted = given.get("scope", "").split()
        if unknown := [scope for scope in wanted if scope not in SHORT]:
            raise Refused("invalid_scope", f"Some requested scopes were invalid: {' '.join(unknown)}")
        if "openid" not in wanted:
            raise Refused("invalid_scope", "scope must contain openid")
        if not given.get("state"):
            raise Refused("invalid_request", "Missing required parameter: state")
        challenge = checked_challenge(given)
        if not challenge:
            raise Refused("invalid_request", "Missing required parameter: code_challenge")
        scopes = frozenset(SHORT[scope] for scope in wanted)
        return AuthorizationRequest(redirect_uri, scopes, given["state"], challenge, given.get("nonce", ""))

    def _tokens(self, fault: Fault | None) -> Response:
        given = single(request.form)
        self._authenticate(given)
        if given.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", f"Invalid grant_type: {given.get('grant_type', '')}")
        for name in ("code", "redirect_uri"):
            if not given.get(name):
                raise Refused("invalid_request", f"Missing required parameter: {name}")
        if fault and fault.kind == "replayed_code":
            raise Refused(*REFUSALS["used"])
        try:
            verifier = given.get("code_verifier", "")
            grant = self._grants.redeem(given["code"], redirect_uri=given["redirect_uri"], verifier=verifier)
        except BadCode as problem:
            raise Refused(*REFUSALS[problem.reason]) from problem
        return self._issued(grant, fault.text("kind", "") if fault else "")

    def _authenticate(self, given: Json) -> None:
        """Check the client's credentials, in the form or in Basic authorization, not in both."""
        basic = request.authorization
        if basic is None or basic.type != "basic":
            client_id, secret = given.get("client_id", ""), given.get("client_secret", "")
        elif "client_secret" in given:
            raise Refused("invalid_request", "Credentials were sent in two ways.")
        else:
            client_id, secret = (unquote_plus(part or "") for part in (basic.username, basic.password))
        if client_id != self._client.id:
            raise Refused("invalid_client", "The OAuth client was not found.", 401)
        if not self._client.known_by(client_id, secret):
            raise Refused("invalid_client", "Unauthorized", 401)

    def _issued(self, grant: CodeGrant, kind: str) -> Response:
        """Return the answer to a valid code: an access token, and an id_token that a fault may spoil."""
        now, scopes, person = self.control.clock.now(), grant.asked.scopes, PEOPLE[grant.user]
        if kind == "unverified_email":
            person = replace(person, verified=False)
        if kind == "no_email":
            person = replace(person, email=None)
        access_token = f"ya29.{self._grants.names.next(48)}"
        self._grants.hold(grant, access_token, TokenGrant(person, scopes, now + LIFETIME_S))
        claims = {
            "iss": self.base,
            "azp": self._client.id,
            "aud": self._client.id,
            **person.claims(scopes),
            "at_hash": at_hash(access_token),
            **({"nonce": grant.asked.nonce} if grant.asked.nonce else {}),
            "iat": int(now),
            "exp": int(now) + LIFETIME_S,
        }
        document = {
            "access_token": access_token,
            "expires_in": LIFETIME_S - 1,
            "scope": long_scopes(scopes),
            "token_type": "Bearer",
            "id_token": self.keys.id_token(claims, kind),
        }
        return answer_json(document, 200, {"Cache-Control": "no-store"})


def long_scopes(scopes: frozenset[str]) -> str:
    """Return scopes as Google writes them."""
    return " ".join(long for name, long in LONG.items() if name in scopes)


def google_app(google: Google, port: int) -> Flask:
    """Return the application of the port."""
    app = Flask("google")
    google.control.watch(app, port)

    @app.errorhandler(HTTPException)
    def unrouted(problem: HTTPException) -> Response:
        return error_page(problem.code or 404)

    add_routes(
        app,
        google.control,
        [
            ("GET", "/.well-known/openid-configuration", "discovery", google.discovery),
            ("GET", "/o/oauth2/v2/auth", "authorize", google.authorize),
            ("POST", "/choose", "choose", google.consent.choose),
            ("POST", "/token", "token", google.token),
            ("GET", "/jwks", "jwks", google.jwks),
            ("GET", "/userinfo", "userinfo", google.userinfo),
        ],
    )
    channel = google.control.routes()
    channel.add_url_rule("/rotate", "rotate", google.rotate, methods=["POST"])
    app.register_blueprint(channel)
    return app


def main() -> None:
    """``python -m local.standins.google --port 8804``."""
    options = options_for("Google")
    google = Google(Client.of(options), options.port)
    serve("Google stand-in", [(google_app(google, options.port), options.port)])


if __name__ == "__main__":
    main()
