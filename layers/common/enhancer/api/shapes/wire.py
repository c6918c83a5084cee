"""Shapes of requests, and the envelope of answers: camelCase in JSON, snake_case in Python."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, Literal, Self, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from enhancer.domain.images import UPLOAD_BYTES_MAX, UPLOAD_TYPES
from enhancer.domain.jobs import ITEMS_MAX, Source
from enhancer.domain.paths import PATH_PATTERN, RETURN_TO_MAX
from enhancer.domain.plans import PLANS
from enhancer.jobs.submit import EnhanceOrder

Data = TypeVar("Data")
ReturnTo = Annotated[str, Field(max_length=RETURN_TO_MAX, json_schema_extra={"pattern": f"^{PATH_PATTERN}$"})]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Wire(BaseModel):
    """Base model: names are camelCase in JSON and snake_case in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Asked(Wire):
    """A request body: unknown fields, names in snake_case and values of another type are refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class Success(BaseModel, Generic[Data]):
    """The envelope of every answer that worked."""

    success: Literal[True] = True
    data: Data


class UrlView(Wire):
    """An address at Stripe or at who signs people in, good for a while."""

    url: str


class Leaving(BaseModel):
    """Where to send the browser: the URL inside the envelope and again at top level."""

    success: Literal[True] = True
    data: UrlView
    url: str


class ParamsForm(BaseModel):
    """What to do with a picture, whatever runs it. Field names are the form's own; JSON is taken as well."""

    model_config = ConfigDict(extra="forbid", strict=True)
    is_form: ClassVar[bool] = True

    scale: int | None = Field(
        None, ge=0, le=100, description="How many times larger: 2, 4, 6 or 8. 2 when omitted."
    )
    face_enhance: bool = Field(False, description="Restore faces, where model and plan have it.")
    quality: Literal["standard", "pro"] = "standard"
    output_format: Literal["same", "jpeg", "png", "webp"] = "same"
    negative_prompt: Prompt | None = None
    strength: float | None = Field(None, ge=0, le=1)
    guidance: float | None = Field(None, ge=1, le=12)
    steps: int | None = Field(None, ge=1, le=20)

    def order_for(self, model: str | None, prompt: str | None) -> EnhanceOrder:
        """Return the order, free of HTTP."""
        return EnhanceOrder(
            model=model,
            prompt=prompt,
            scale=self.scale,
            face=self.face_enhance,
            quality=self.quality,
            output_format=self.output_format,
            negative_prompt=self.negative_prompt,
            strength=self.strength,
            guidance=self.guidance,
            steps=self.steps,
        )


class OrderForm(ParamsForm):
    """Which model, and what to do with a picture."""

    model: str | None = Field(
        None, max_length=200, description="Slug or alias of a model; the built-in one when omitted."
    )
    prompt: Prompt | None = None

    def to_order(self) -> EnhanceOrder:
        """Return the order, free of HTTP."""
        return self.order_for(self.model, self.prompt)


class GenerateForm(OrderForm):
    """A picture, as a file or as the key of an upload, and what to do with it."""

    image: UploadFile | None = Field(None, description="JPEG, PNG, WebP, AVIF or HEIC; about 4.4 MB at most.")
    upload_key: str | None = Field(
        None, alias="uploadKey", max_length=300, description="Instead of image: key from POST uploads."
    )


class QuoteForm(OrderForm):
    """An order without its picture; width and height in pixels, when they are known."""

    width: int | None = Field(None, ge=1, le=1_000_000)
    height: int | None = Field(None, ge=1, le=1_000_000)

    @property
    def megapixels(self) -> float:
        """Size of the picture, 0 when it is not known."""
        return (self.width or 0) * (self.height or 0) / 1_000_000


class UploadRequest(Asked):
    """A file that is about to be uploaded. ``size`` in bytes."""

    content_type: str = Field(max_length=100, json_schema_extra={"enum": [*UPLOAD_TYPES]})
    size: int = Field(ge=1, json_schema_extra={"maximum": UPLOAD_BYTES_MAX})


class ItemWanted(Asked):
    """One picture of a batch: the key of an upload or a public https URL, and a prompt if the model takes one."""

    upload_key: str | None = Field(None, max_length=300)
    image_url: str | None = Field(None, max_length=2000)
    prompt: Prompt | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.upload_key is None) == (self.image_url is None):
            raise PydanticCustomError("one_source", "either uploadKey or imageUrl")
        return self

    def to_source(self) -> tuple[Source, str | None]:
        """Return where the picture is, and its prompt."""
        if self.upload_key is not None:
            return Source("upload", self.upload_key), self.prompt
        return Source("url", self.image_url or ""), self.prompt


class JobForm(GenerateForm):
    """One to ten pictures as JSON (``items`` and ``params``), or one picture with the fields of generate."""

    params: ParamsForm | None = Field(None, description="With items: what to do with every picture.")
    items: list[ItemWanted] | None = Field(None, min_length=1, max_length=ITEMS_MAX)

    @model_validator(mode="after")
    def _params_once(self) -> Self:
        twice = sorted(self.model_fields_set & set(ParamsForm.model_fields)) if self.params else []
        if twice:
            raise PydanticCustomError("in_params", "belongs into params")
        return self

    def to_order(self) -> EnhanceOrder:
        """Return the common order, free of HTTP."""
        return (self.params or self).order_for(self.model, self.prompt)


class LoginRequest(Asked):
    """The account to sign in with. Without an e-mail a fresh one is opened."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)] | None = (
        None
    )
    plan: str = Field("free", max_length=40, json_schema_extra={"enum": [*PLANS]})
    role: Literal["user", "admin"] = "user"


def ok(data: Data, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[Success[Data]]:
    """Return ``data`` in the envelope."""
    return Response(status, "application/json", Success(data=data), dict(headers or {}))


def leaving(url: str) -> Response[Leaving]:
    """Return the answer with the URL to send the browser to."""
    return Response(200, "application/json", Leaving(data=UrlView(url=url), url=url))
