"""Models, quotes and results as the API would tell them, for what the providers do not do on demand."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, Route

from tests.e2e.browser import photo

LOCAL, ESRGAN, GFPGAN = "local/photo", "nightmareai/real-esrgan", "tencentarc/gfpgan:0fba"
TOPAZ, BANANA = "topazlabs/image-upscale", "google/nano-banana"
SD15, KLEIN = "@cf/runwayml/stable-diffusion-v1-5-img2img", "@cf/black-forest-labs/flux-2-klein-4b"
DEFAULT_PROMPT = "restore this photo: sharp, natural colors"
OPTIONS = ["negative_prompt", "strength", "guidance", "steps"]


def _model(slug: str, alias: str, provider: str, kind: str, **fields: Any) -> dict[str, Any]:
    plain = {"scales": [], "face": False, "prompt": False, "promptDefault": None, "options": [], "price": 1.0}
    model = {
        **plain,
        "qualities": ["standard"],
        "maxInputMegapixels": None,
        "maxOutputSide": None,
        "factor": 1,
        **fields,
    }
    known = {"slug": slug, "alias": alias, "title": alias, "provider": provider, "kind": kind}
    return {**known, **model, "allowedScales": model["scales"], "faceAllowed": True, "requiredPlan": None}


CATALOGUE = [
    _model(LOCAL, "local", "embedded", "upscale", scales=[2, 4], qualities=["standard", "pro"]),
    _model(ESRGAN, "real-esrgan", "replicate", "upscale", scales=[2, 4], face=True, maxInputMegapixels=2.0),
    _model(GFPGAN, "gfpgan", "replicate", "restore", factor=2),
    _model(TOPAZ, "topaz", "replicate", "upscale", factor=2),
    _model(BANANA, "nano-banana", "replicate", "edit", prompt=True, price=10.0),
    _model(SD15, "sd15", "workers_ai", "edit", prompt=True, promptDefault=DEFAULT_PROMPT, options=OPTIONS),
    _model(KLEIN, "flux-klein", "workers_ai", "edit", prompt=True, price=1.2, maxOutputSide=1024),
]


def offer(
    page: Page, path: str = "", *, locked: tuple[str, ...] = (), refusal: dict[str, Any] | None = None
) -> None:
    """Open a page, or that which is open anew, with all models and prices.

    Those ``locked`` cannot be chosen; hosted ones meet ``refusal``.
    """
    models = [
        {**model, "available": model["slug"] not in locked, "reason": None}
        | ({"reason": "provider_disabled"} if model["slug"] in locked else {})
        for model in CATALOGUE
    ]
    prices = {model["slug"]: model["price"] for model in models}

    def quote(route: Route) -> None:
        asked = route.request.post_data_json
        price = {"total": prices[asked["model"]], "planPortion": prices[asked["model"]], "creditsPortion": 0}
        met = refusal if asked["model"] != LOCAL else None
        route.fulfill(json={"success": True, "data": {**asked, "price": price, "refusal": met}})

    page.route(
        "**/api/ai-image/models",
        lambda route: route.fulfill(json={"success": True, "data": {"models": models}}),
    )
    page.route("**/api/ai-image/quote", quote)
    page.goto(path) if path else page.reload()  # the models are asked for when the page opens
    page.wait_for_selector("#usage-frames i", state="attached")


def make(
    page: Page, *, ran: str | None = None, size: tuple[int, int] = (192, 128), total: float = 1
) -> list[dict[str, str]]:
    """Let every run succeed, made by ``ran`` instead of what was asked for; return what is sent, field by field."""
    sent: list[dict[str, str]] = []
    usage = page.request.get("/api/ai-image/usage").json()["data"]["usage"]

    def run(route: Route) -> None:
        fields = re.findall(
            rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', route.request.post_data_buffer or b"", re.DOTALL
        )
        sent.append({name.decode(): value.decode() for name, value in fields})
        asked = sent[-1]["model"]
        charge = {"total": total, "planPortion": total, "creditsPortion": 0}
        picture = {"imageUrl": "/r2-ai/canned.png", "originalUrl": "/r2-ai/canned.png"}
        done = {**picture, "width": size[0], "height": size[1], "charge": charge, "usage": usage}
        models = {"model": ran or asked, "requestedModel": asked, "provider": "embedded"}
        route.fulfill(
            json={"success": True, "data": {**done, **models, "deduplicated": False, "timings": {}}}
        )

    page.route("**/api/ai-image/generate", run)
    page.route(
        "**/r2-ai/canned.png*",
        lambda route: route.fulfill(body=photo(*size, kind="PNG"), content_type="image/png"),
    )
    return sent


def pick(page: Page, slug: str) -> None:
    """Choose a model: first what should happen, then who does it."""
    kind = next(model["kind"] for model in CATALOGUE if model["slug"] == slug)
    page.click(f"#kinds [data-value={kind}]")
    option = page.locator(f"#models [data-value='{slug}']")
    if option.count():
        option.click()
