"""People at the page: signing in through the stand-ins' own pages, and what the account page shows."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page

Provider = Literal["google", "github"]
NAMES = {"google": "Google", "github": "GitHub"}


def choose_person(page: Page, who: str) -> None:
    """On a stand-in's page, be this person, and wait to be back here."""
    page.wait_for_selector("h1:text-matches('^Stand-in for')")
    page.click(f"button[value={who}]")
    page.wait_for_selector("#usage-frames i", state="attached")


def sign_in(page: Page, who: str = "ada", provider: Provider = "google") -> Page:
    """Sign in from wherever the page is, through the card in its head."""
    page.click("#who summary")
    page.click(f"#who [data-sign-in={provider}]")
    choose_person(page, who)
    page.wait_for_selector("#me:not([hidden])")
    return page


def account(page: Page, language: str = "en") -> Page:
    """The account page of somebody who is signed in."""
    page.goto(f"/{language}/account")
    page.wait_for_selector("main[data-state=user]")
    page.wait_for_selector(".keyrow, #keys-none:not([hidden])")
    return page


def make_key(page: Page, name: str, *, cap: str = "") -> str:
    """Make a key; return its secret."""
    page.click("#key-new")
    page.fill("#key-name", name)
    page.fill("#key-cap", cap)
    page.click("#key-make")
    page.wait_for_selector("#secret:not([hidden])")
    return page.inner_text("#secret-text")
