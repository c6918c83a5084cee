"""Texts about pictures that stand for an error's usual one where its details say more, English and German."""

from __future__ import annotations

from typing import Any

ANY = "*"
VARIANTS: dict[tuple[str, str, str], tuple[str, str]] = {
    ("image_unreadable", "reason", "incomplete"): (
        "The picture is cut off: pixels are missing. Save it again or send it again.",
        "Das Bild ist abgeschnitten: Es fehlen Bildpunkte. Bitte neu speichern oder noch einmal senden.",
    ),
    ("image_unreadable", "reason", "parts"): (
        "The file is made of far more parts than a picture needs. Save it again in a photo program.",
        "Die Datei besteht aus weit mehr Teilen, als ein Bild braucht. Bitte in einem Fotoprogramm neu speichern.",
    ),
    ("image_unreadable", "reason", "bits"): (
        "Pictures with so many bits per channel are not supported. Save it with 8 bits per channel, or as PNG.",
        "Bilder mit so vielen Bit je Kanal werden nicht unterstützt. Bitte mit 8 Bit je Kanal speichern, oder als PNG.",
    ),
    ("image_unreadable", "reason", "kind"): (
        "The picture is of a rare kind that cannot be read here. Save it as an ordinary JPEG or PNG.",
        "Das Bild hat ein seltenes Unterformat, das hier nicht lesbar ist. Bitte als JPEG oder PNG speichern.",
    ),
    ("image_missing", "found", ANY): (
        "Send the picture in the file field “image”; the file came as “{found}”.",
        "Bitte das Bild im Dateifeld „image“ senden; die Datei kam als „{found}“.",
    ),
    ("image_format_unsupported", "found", ANY): (
        "This is a {found} file. Save the picture as JPEG, PNG, WebP, AVIF or HEIC.",
        "Das ist eine {found}-Datei. Bitte das Bild als JPEG, PNG, WebP, AVIF oder HEIC speichern.",
    ),
    ("image_format_unsupported", "field", "contentType"): (
        "contentType must be one of: {allowed}. It says what the file is that will be uploaded.",
        "contentType muss eines hiervon sein: {allowed}. Es sagt, was für eine Datei hochgeladen wird.",
    ),
    ("file_too_large", "field", "size"): (
        "The file has {size} bytes; from 1 to {limit} bytes (25 MB) can be uploaded. Save the picture smaller.",
        "Die Datei hat {size} Bytes; hochladen lassen sich 1 bis {limit} Bytes (25 MB). Bitte kleiner speichern.",
    ),
    ("file_too_large", "field", "imageUrl"): (
        "The picture behind imageUrl has {size} bytes or more; the limit is {limit} (25 MB).",
        "Das Bild hinter imageUrl hat {size} Bytes oder mehr; die Grenze ist {limit} (25 MB).",
    ),
}
"""By code, and the detail with the value that makes the difference; `ANY` is any value."""


def variant(code: str, details: dict[str, Any]) -> tuple[str, str] | None:
    """Return the text that says more than the usual one, if these details have one."""
    for (of, name, value), text in VARIANTS.items():
        if of == code and name in details and value in (ANY, details[name]):
            return text
    return None
