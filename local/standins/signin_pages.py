"""Web pages of a sign-in stand-in: the list of accounts, and the page of an invalid request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Response, render_template_string

HEADERS = {  # no form-action: Chrome applies it to the redirect that follows the form too
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
STYLE = """
:root { color-scheme: light dark; --bg: #eef1f5; --card: #fff; --ink: #16191d; --muted: #59636e; --line: #d5dbe1;
  --tint: {{ tint }}; --note: #8a4b00; --hover: #f4f7fa; }
@media (prefers-color-scheme: dark) { :root { --bg: #101316; --card: #1a1e23; --ink: #eef2f5; --muted: #a2acb6;
  --line: #333a42; --note: #f2b866; --hover: #232930; } }
* { box-sizing: border-box; margin: 0; }
body { min-height: 100dvh; display: grid; place-items: center; padding: 16px; background: var(--bg);
  color: var(--ink); font: 400 1rem/1.45 system-ui, sans-serif; }
main { width: 100%; max-width: 440px; padding: 28px; background: var(--card); border: 1px solid var(--line);
  border-top: 6px solid var(--tint); border-radius: 14px; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; }
p { margin-top: 6px; color: var(--muted); }
ul { list-style: none; padding: 0; margin: 20px 0 14px; display: grid; gap: 8px; }
button { width: 100%; min-height: 56px; padding: 8px 14px; display: flex; align-items: center; gap: 14px;
  font: inherit; text-align: left; color: inherit; background: none; border: 1px solid var(--line);
  border-radius: 10px; cursor: pointer; }
button:hover { background: var(--hover); }
button:focus-visible { outline: 3px solid var(--tint); outline-offset: 2px; }
.face { flex: none; width: 36px; height: 36px; display: grid; place-items: center; border-radius: 50%;
  background: var(--tint); color: #fff; font-weight: 600; }
.who { display: block; font-weight: 600; }
.mail { display: block; font-size: .9rem; color: var(--muted); }
.note { display: block; font-size: .85rem; color: var(--note); }
.cancel { min-height: 48px; justify-content: center; border-color: transparent; color: var(--muted); }
code { display: block; margin-top: 16px; padding: 10px 12px; border-radius: 8px; background: var(--hover); }
@media (max-width: 480px) { body { place-items: start center; } main { padding: 20px; } }
"""
FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<style>%STYLE%</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
%BODY%
</main>
</body>
</html>
""".replace("%STYLE%", STYLE)
CHOOSER = FRAME.replace(
    "%BODY%",
    """<p>Choose who signs in to {{ where }}. Nobody here is real, and no password is asked for.</p>
<form method="post" action="/choose">
<input type="hidden" name="asked" value="{{ asked }}">
<ul>
{% for choice in choices %}<li><button name="user" value="{{ choice.key }}">
<span class="face" aria-hidden="true">{{ choice.name[0] }}</span>
<span><span class="who">{{ choice.name }}</span> <span class="mail">{{ choice.detail }}</span>
{% if choice.note %}<span class="note">{{ choice.note }}</span>{% endif %}</span></button></li>
{% endfor %}</ul>
<button class="cancel" name="cancel" value="1">Cancel</button>
</form>""",
)
REFUSAL = FRAME.replace(
    "%BODY%",
    "<p>This request to sign in was refused, and nobody was sent back.</p><code>{{ error }}: {{ text }}</code>",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One account on the page.

    Args:
        key: what names them in the form and in ``login_hint``.
        name: what they are called.
        detail: their e-mail address or login.
        note: what is odd about them.
    """

    key: str
    name: str
    detail: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Branding:
    """The provider's name, and a colour that tells the stand-ins apart."""

    provider: str
    tint: str

    @property
    def title(self) -> str:
        """The heading of every page."""
        return f"Stand-in for {self.provider}"


def chooser(look: Branding, choices: Sequence[Choice], *, asked: str, redirect_uri: str) -> Response:
    """Return the list of accounts; its form posts ``asked`` and ``user`` or ``cancel``."""
    where = urlsplit(redirect_uri).netloc
    page = render_template_string(
        CHOOSER, title=look.title, tint=look.tint, choices=choices, asked=asked, where=where
    )
    return Response(page, headers=HEADERS)


def refusal(look: Branding, error: str, text: str, status: int) -> Response:
    """Return the page of an invalid request, whose sender must not get a redirect."""
    page = render_template_string(REFUSAL, title=look.title, tint=look.tint, error=error, text=text)
    return Response(page, status, HEADERS)


def sent_back(redirect_uri: str, parameters: Mapping[str, str]) -> Response:
    """Redirect the browser to the application; parameters without a value are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    joint = "&" if urlsplit(redirect_uri).query else "?"
    headers = {"Location": f"{redirect_uri}{joint}{query}", "Cache-Control": "no-store"}
    return Response(status=302, headers=headers)
