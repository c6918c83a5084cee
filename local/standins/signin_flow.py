"""The authorization code flow that both sign-in stand-ins share: consent, codes, PKCE, access tokens."""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest

from flask import Flask, Response, request
from werkzeug.datastructures import MultiDict

from local.standins.control import Control, Fault, Names
from local.standins.signin_pages import Branding, Choice, chooser, refusal, sent_back
from local.standins.transport import TRANSPORT, play

CODE_S = 600.0
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
AUTHORIZE_FAULTS = TRANSPORT | {"denied", "wrong_state", "replayed_code"}


class Refused(Exception):
    """A request that is answered with an error code of OAuth."""

    def __init__(self, error: str, text: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.text, self.status = error, text, status


class BadCode(Exception):
    """A code that gives no token; ``reason`` says why, and each provider has its own words for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Client:
    """The one registered application (OAuth client)."""

    id: str
    secret: str
    redirects: tuple[str, ...]

    @classmethod
    def of(cls, options: argparse.Namespace) -> Client:
        """Return the application that the command line names."""
        return cls(options.client_id, options.client_secret, tuple(options.redirect))

    def known_by(self, client_id: str, secret: str) -> bool:
        """Return whether these are its credentials."""
        return compare_digest(f"{client_id}\0{secret}".encode(), f"{self.id}\0{self.secret}".encode())


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The parameters of a valid authorization request; ``""`` for one that was not sent."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str
    challenge: str
    nonce: str = ""


@dataclass(slots=True)
class CodeGrant:
    """What an authorization code was issued for."""

    user: str
    asked: AuthorizationRequest
    expires_at: float
    redeemed: bool = False
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What an access token was issued for."""

    user: object
    scopes: frozenset[str]
    expires_at: float


class GrantStore:
    """Codes and access tokens.

    Args:
        control: the clock they expire by.
        prefix: how a code begins.
        revoke_replayed: whether a code that comes a second time takes back what it gave the first time.
    """

    def __init__(self, control: Control, *, prefix: str, revoke_replayed: bool) -> None:
        self.names = Names(None)
        self._clock = control.clock
        self._prefix = prefix
        self._revoke_replayed = revoke_replayed
        self._codes: dict[str, CodeGrant] = {}
        self._held: dict[str, TokenGrant] = {}
        self._last_redeemed = ""
        self._lock = threading.Lock()
        control.on_reset += [self._forget]

    def code(self, user: str, asked: AuthorizationRequest) -> str:
        """Return a new code for a user's consent."""
        code = self._prefix + self.names.next(40)
        with self._lock:
            self._codes[code] = CodeGrant(user, asked, self._clock.now() + CODE_S)
        return code

    def replayed_code(self, user: str, asked: AuthorizationRequest) -> str:
        """Return the code that was used last, or a new one that counts as used."""
        if not self._last_redeemed:
            self._last_redeemed = self.code(user, asked)
            self._codes[self._last_redeemed].redeemed = True
        return self._last_redeemed

    def redeem(self, code: str, *, redirect_uri: str | None, verifier: str) -> CodeGrant:
        """Use a code up; only the call that returns may issue a token. A refused one leaves the code as it was.

        Args:
            code: as it came.
            redirect_uri: as it came; None when the client sent none and need not.
            verifier: as it came, ``""`` for none.

        Raises:
            BadCode: unknown, used, expired, redirect, no_verifier, verifier or no_challenge.
        """
        with self._lock:
            grant = self._codes.get(code)
            if grant is None:
                raise BadCode("unknown")
            if grant.redeemed:
                for token in grant.tokens if self._revoke_replayed else ():
                    self._held.pop(token, None)
                raise BadCode("used")
            if self._clock.now() >= grant.expires_at:
                raise BadCode("expired")
            if redirect_uri is not None and redirect_uri != grant.asked.redirect_uri:
                raise BadCode("redirect")
            check_verifier(grant.asked.challenge, verifier)
            grant.redeemed = True
            self._last_redeemed = code
        return grant

    def hold(self, grant: CodeGrant, token: str, held: TokenGrant) -> None:
        """Register an access token."""
        with self._lock:
            grant.tokens.append(token)
            self._held[token] = held

    def holder(self) -> TokenGrant | None:
        """Return the grant of the current request's bearer token, None for an unknown or expired one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        held = self._held.get(token)
        if held is None or scheme.lower() != "bearer" or self._clock.now() >= held.expires_at:
            return None
        return held

    def _forget(self) -> None:
        with self._lock:
            self._codes.clear()
            self._held.clear()
            self._last_redeemed = ""


class Consent:
    """The consent page: lists the accounts, and redirects the browser with a code or an error.

    Args:
        control: where a reset is announced.
        grants: where codes come from.
        look: name and colour of the page.
        choices: who can sign in.
        denial: what stands next to ``error`` when somebody cancels.
        extra: what stands next to the code.
    """

    def __init__(
        self,
        control: Control,
        grants: GrantStore,
        *,
        look: Branding,
        choices: Sequence[Choice],
        denial: Mapping[str, str] | None = None,
        extra: Callable[[AuthorizationRequest], Mapping[str, str]] | None = None,
    ) -> None:
        self._grants, self._look, self._extra = grants, look, extra
        self._choices = {choice.key: choice for choice in choices}
        self._denial = denial or {}
        self._pending: dict[str, tuple[AuthorizationRequest, Fault | None]] = {}
        control.on_reset += [self._pending.clear]

    def refused(self, problem: Refused) -> Response:
        """Return the page of an invalid request."""
        return refusal(self._look, problem.error, problem.text, problem.status)

    def ask(self, asked: AuthorizationRequest, fault: Fault | None) -> Response:
        """Show the page, or redirect at once if a fault or ``auto=1`` with a ``login_hint`` says so."""
        if fault and fault.kind == "denied":
            return self._denied(asked, fault.text("error", "access_denied"))
        if "1" in (request.args.get("auto"), request.headers.get("Auto")):
            user = self._named(request.args.get("login_hint", ""))
            return self._agreed(asked, fault, user) if user else self._denied(asked, "login_required")
        pending = self._grants.names.next()
        self._pending[pending] = (asked, fault)
        return chooser(
            self._look, list(self._choices.values()), asked=pending, redirect_uri=asked.redirect_uri
        )

    def choose(self, fault: Fault | None) -> Response:
        """Handle the page's form."""
        del fault  # those of this route are the connection's
        found = self._pending.get(request.form.get("asked", ""))
        user = request.form.get("user", "")
        if found is None:
            return self.refused(Refused("invalid_request", "This page is out of date."))
        if "cancel" in request.form:
            return self._denied(found[0], "access_denied")
        if user not in self._choices:
            return self.refused(Refused("invalid_request", "There is no such user."))
        return self._agreed(*found, user)

    def _named(self, hint: str) -> str:
        """Return the key of the account with this key or address."""
        return next((key for key in self._choices if hint in (key, f"{key}@example.com")), "")

    def _denied(self, asked: AuthorizationRequest, error: str) -> Response:
        extra = self._denial if error == "access_denied" else {}
        return sent_back(asked.redirect_uri, {"error": error, **extra, "state": asked.state})

    def _agreed(self, asked: AuthorizationRequest, fault: Fault | None, user: str) -> Response:
        kind, state = (fault.kind if fault else ""), asked.state
        if fault and kind == "wrong_state":
            state = fault.text("state", self._grants.names.next())
        issue = self._grants.replayed_code if kind == "replayed_code" else self._grants.code
        extra = self._extra(asked) if self._extra else {}
        return sent_back(asked.redirect_uri, {"state": state, "code": issue(user, asked), **extra})


def single(values: MultiDict[str, str]) -> dict[str, str]:
    """Return the parameters, each of which may come only once.

    Raises:
        Refused: one does.
    """
    for name, found in values.lists():
        if len(found) > 1:
            raise Refused("invalid_request", f"Parameter not allowed twice: {name}")
    return values.to_dict()


def checked_challenge(given: Mapping[str, str]) -> str:
    """Return the PKCE challenge of a request, ``""`` without one.

    Raises:
        Refused: it is not one of S256.
    """
    challenge, method = given.get("code_challenge", ""), given.get("code_challenge_method", "")
    if not challenge and not method:
        return ""
    if method != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "code_challenge must be 43 characters of base64url")
    return challenge


def check_verifier(challenge: str, verifier: str) -> None:
    """Compare a verifier with the challenge of its authorization request.

    Raises:
        BadCode: they do not belong together.
    """
    if not challenge and verifier:
        raise BadCode("no_challenge")
    if challenge and not verifier:
        raise BadCode("no_verifier")
    if challenge and not (VERIFIER.fullmatch(verifier) and compare_digest(s256(verifier), challenge)):
        raise BadCode("verifier")


def s256(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def add_routes(
    app: Flask, control: Control, table: Sequence[tuple[str, str, str, Callable[[Fault | None], Response]]]
) -> None:
    """Add routes given as (verb, path, name for scripted faults, handler)."""

    def add(verb: str, path: str, name: str, work: Callable[[Fault | None], Response]) -> None:
        def view() -> Response:
            fault = control.take(name)
            return play(control, fault, lambda: work(fault))

        app.add_url_rule(path, f"{verb} {path}", view, methods=[verb])

    for row in table:
        add(*row)


def options_for(provider: str) -> argparse.Namespace:
    """Parse the command line of a sign-in stand-in: the port and the registered application."""
    name = provider.lower()
    parser = argparse.ArgumentParser(description=f"A stand-in for signing in with {provider}, on 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", default=f"local-{name}")
    parser.add_argument("--client-secret", default=f"{name}-secret")
    parser.add_argument("--redirect", action="append", help="where codes may go, exactly; may be repeated")
    options = parser.parse_args()
    options.redirect = options.redirect or [f"http://127.0.0.1:8787/api/auth/{name}/callback"]
    return options
