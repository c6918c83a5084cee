"""Google and GitHub as far as a sign-in sees them, on a scripted server: codes, PKCE, keys and tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from functools import cache
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

from enhancer.runtime import sign_in_with
from tests.support.scripted_server import says

REDIRECT = "https://enhance.example/api/auth/callback"
STATE, NONCE, VERIFIER = "state-of-the-browser", "nonce-of-the-browser", "v" * 43
CLIENT, SECRET = "our-client", "our-secret/+&="
DISCOVERY = "GET /.well-known/openid-configuration"
KEYS = "GET /keys"
TOKEN = "POST /token"
GITHUB_TOKEN = "POST /login/oauth/access_token"


def now():
    return int(time.time() * 1000)


@cache
def key(name):
    """A key pair of 2048 bits per name, made once."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


def b64(data):
    return (
        base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode())
        .rstrip(b"=")
        .decode()
    )


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


class OAuth:
    """Codes and PKCE, as both providers check them."""

    def __init__(self, server):
        self.server, self.codes = server, {}

    def consent(self, url):
        """Somebody agrees at the address that a sign-in starts with; return the code."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return code

    def telling(self, what):
        """An answer made when it is asked for."""

        def answer(handler):
            says(200, what())(handler)

        return answer

    def problem(self):
        """What is wrong with the exchange just asked for, None for nothing; a code works once."""
        form = {name: values[0] for name, values in parse_qs(self.server.asked[-1].body.decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return "credentials"
        asked = self.codes.get(form.get("code", ""))
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return "code"
        made = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked["code_challenge_method"] != "S256" or made != asked["code_challenge"]:
            return "code"
        self.asked = self.codes.pop(form["code"])
        return None


class Google(OAuth):
    """``change`` edits the claims, ``sign`` makes the token of them, ``keys`` are published, the last one signs."""

    def __init__(self, server):
        super().__init__(server)
        self.keys, self.change, self.sign, self.document = ["first"], {}, self.signed, {}
        self.clock = Clock()
        self.adapter = self.make()
        server.on(DISCOVERY, self.telling(lambda: self.discovery() | self.document))
        server.on(KEYS, self.telling(self.jwks))
        server.on(TOKEN, self.answer)

    def make(self, client=CLIENT, secret=SECRET):
        return sign_in_with(
            "google",
            credentials=lambda: (client, secret),
            urls={"google_issuer": self.server.url},
            clock=self.clock,
        )

    def discovery(self):
        url = self.server.url
        return {"issuer": url, "authorization_endpoint": f"{url}/auth", "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/keys"}  # fmt: skip

    def jwks(self):
        return {"keys": [key(name).as_dict(private=False) for name in self.keys]}

    def claims(self):
        at = int(time.time())
        told = {"iss": self.server.url, "aud": CLIENT, "azp": CLIENT, "sub": "1122", "nonce": self.asked["nonce"],
                "iat": at, "exp": at + 3600, "email": "Ada@Example.com", "email_verified": True,
                "name": "Ada L"}  # fmt: skip
        return {name: value for name, value in (told | self.change).items() if value is not ...}

    def signed(self, claims, **header):
        name = self.keys[-1]
        return jws.serialize_compact({"alg": "RS256", "kid": name} | header, json.dumps(claims), key(name))

    def answer(self, handler):
        if problem := self.problem():
            error = "invalid_client" if problem == "credentials" else "invalid_grant"
            return says(400, {"error": error, "error_description": "secret ü text"})(handler)
        token = {"access_token": "ya29.token", "token_type": "Bearer", "expires_in": 3599}
        return says(200, token | {"id_token": self.sign(self.claims())})(handler)

    def start(self, adapter=None):
        return (adapter or self.adapter).authorize_url(
            redirect_uri=REDIRECT, state=STATE, nonce=NONCE, verifier=VERIFIER
        )

    def finish(self, code, *, verifier=VERIFIER, nonce=NONCE, redirect_uri=REDIRECT, adapter=None, at=None):
        return (adapter or self.adapter).profile(
            code=code, redirect_uri=redirect_uri, verifier=verifier, nonce=nonce, now=at or now()
        )

    def sign_in(self, **more):
        return self.finish(self.consent(self.start()), **more)


class GitHub(Google):
    """``user`` and ``emails`` are what the API tells."""

    def __init__(self, server):
        OAuth.__init__(self, server)
        self.user = {"id": 1001, "login": "ada", "name": "Ada L", "email": "shown@example.com"}
        self.emails = [{"email": "Ada@Example.com", "primary": True, "verified": True}]
        self.adapter = self.make()
        server.on(GITHUB_TOKEN, self.answer)
        server.on("GET /user", lambda handler: self.told(handler, lambda: self.user))
        server.on("GET /user/emails", lambda handler: self.told(handler, lambda: self.emails))

    def make(self, client=CLIENT, secret=SECRET):
        return sign_in_with(
            "github",
            credentials=lambda: (client, secret),
            urls={"github": self.server.url, "github_api": self.server.url},
        )

    def told(self, handler, what):
        known = self.server.asked[-1].headers.get("authorization") == "Bearer gho_token"
        return says(200, what())(handler) if known else says(401, {"message": "Bad credentials"})(handler)

    def answer(self, handler):
        if problem := self.problem():
            error = "incorrect_client_credentials" if problem == "credentials" else "bad_verification_code"
            return says(200, {"error": error, "error_description": "secret text"})(handler)
        return says(200, {"access_token": "gho_token", "scope": "read:user", "token_type": "bearer"})(handler)
