"""What people read: one line per error code, in English and German. Codes and types never change; texts may.

Placeholders are filled from the error's details; ``plan_hint`` is a whole sentence or nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from enhancer.api.shapes.picture_texts import variant
from enhancer.api.shapes.problem_texts import said, spelled_out

TEXTS: dict[str, tuple[str, str]] = {
    "invalid_fields": ("This request is not valid: {field_list}.", "Diese Anfrage ist ungültig: {field_list}."),
    "invalid_multipart": (
        "The request body is not valid multipart/form-data.",
        "Der Inhalt der Anfrage ist kein gültiges multipart/form-data.",
    ),
    "invalid_idempotency_key": (
        "Idempotency-Key must be 1 to {limit} visible ASCII characters.",
        "Idempotency-Key muss aus 1 bis {limit} sichtbaren ASCII-Zeichen bestehen.",
    ),
    "image_missing": (
        "Send a picture as the file field “image”, or an “uploadKey”.",
        "Bitte ein Bild im Dateifeld „image“ oder einen „uploadKey“ senden.",
    ),
    "too_many_images": (
        "Send one picture at a time; this request has {count}.",
        "Bitte nur ein Bild je Anfrage senden; diese enthält {count}.",
    ),
    "image_empty": ("The picture is empty (0 bytes).", "Das Bild ist leer (0 Bytes)."),
    "image_unreadable": (
        "The picture is damaged or cut off and cannot be read completely.",
        "Das Bild ist beschädigt oder abgeschnitten und lässt sich nicht vollständig lesen.",
    ),
    "image_animated": (
        "Animated pictures are not supported; this one has {frames} frames.",
        "Animierte Bilder werden nicht unterstützt; dieses hat {frames} Einzelbilder.",
    ),
    "image_url_refused": (
        "The picture is not fetched from this URL ({reason}). It must be a public https link on port 443.",
        "Von dieser URL wird kein Bild geholt ({reason}). Nötig ist ein öffentlicher https-Link auf Port 443.",
    ),
    "image_url_unreachable": (
        "The picture could not be fetched from its URL ({reason}).",
        "Das Bild ließ sich von seiner URL nicht holen ({reason}).",
    ),
    "unknown_model": ("There is no model “{model}”.", "Ein Modell „{model}“ gibt es nicht."),
    "scale_not_supported": (
        "This model cannot enlarge {scale} times; possible: {allowed}.",
        "Dieses Modell kann nicht {scale}-fach vergrößern; möglich: {allowed}.",
    ),
    "option_not_supported": (
        "The model “{model}” has no option “{option}”.",
        "Das Modell „{model}“ kennt die Option „{option}“ nicht.",
    ),
    "prompt_required": (
        "The model “{model}” needs a prompt.",
        "Das Modell „{model}“ braucht eine Beschreibung (prompt).",
    ),
    "upload_not_found": (
        "There is no finished upload of yours under this uploadKey.",
        "Unter diesem uploadKey liegt kein fertiger Upload von dir.",
    ),
    "output_too_large": (
        "The result would be {width} × {height} pixels; the limit is {limit}. Choose a smaller scale, PNG or JPEG.",
        "Das Ergebnis hätte {width} × {height} Pixel; die Grenze ist {limit}. Kleiner skalieren, oder PNG oder JPEG.",
    ),
    "needs_job": (
        "This is too much work for one request: {megapixels} MP, the limit here is {limit} MP. Use a job.",
        "Zu viel Arbeit für eine Anfrage: {megapixels} MP, die Grenze ist hier {limit} MP. Dafür gibt es Aufträge.",
    ),
    "too_much_work": (
        "This is too much work for one job: {megapixels} MP, the limit with these settings is {limit} MP.",
        "Das ist zu viel Arbeit für einen Auftrag: {megapixels} MP, mit diesen Einstellungen gehen {limit} MP.",
    ),
    "sign_in_required": ("Please sign in first.", "Bitte zuerst anmelden."),
    "INSUFFICIENT_CREDITS": (
        "This needs {required} credits; {available} are left.",
        "Dafür sind {required} Credits nötig; {available} sind übrig.",
    ),
    "origin_not_allowed": (
        "This request must come from our own page (header Origin or Referer).",
        "Diese Anfrage muss von unserer eigenen Seite kommen (Header Origin oder Referer).",
    ),
    "csrf_token_invalid": (
        "Header X-CSRF-Token must equal the cookie csrf_token.",
        "Der Header X-CSRF-Token muss dem Cookie csrf_token gleichen.",
    ),
    "plan_required": (
        "Your plan ({plan}) does not include {feature}. {plan_hint}",
        "Dein Tarif ({plan}) enthält {feature} nicht. {plan_hint}",
    ),
    "provider_disabled": (
        "The model “{model}” is not available here at the moment.",
        "Das Modell „{model}“ ist hier zurzeit nicht verfügbar.",
    ),
    "not_the_owner": (
        "This result belongs to somebody else.",
        "Dieses Ergebnis gehört jemand anderem.",
    ),
    "not_found": ("There is nothing here.", "Hier gibt es nichts."),
    "method_not_allowed": (
        "This path takes: {allow}.",
        "Dieser Pfad nimmt: {allow}.",
    ),
    "job_open": (
        "The job is still running. Cancel it first.",
        "Der Auftrag läuft noch. Bitte zuerst abbrechen.",
    ),
    "job_finished": (
        "The job has already ended ({status}).",
        "Der Auftrag ist schon zu Ende ({status}).",
    ),
    "nothing_to_retry": (
        "There is nothing to retry: the job is {status}.",
        "Es gibt nichts zu wiederholen: der Auftrag ist {status}.",
    ),
    "job_canceled": (
        "The job was canceled. Nothing was charged for this picture.",
        "Der Auftrag wurde abgebrochen. Für dieses Bild wurde nichts berechnet.",
    ),
    "job_deleted": (
        "The job that this Idempotency-Key stands for was deleted. Send a new key to run the picture again.",
        "Der Auftrag zu diesem Idempotency-Key wurde gelöscht. Mit einem neuen Schlüssel läuft das Bild noch einmal.",
    ),
    "file_too_large": (
        "The file has {size} bytes; the limit is {limit}. Larger files go through POST /api/ai-image/uploads.",
        "Die Datei hat {size} Bytes; die Grenze ist {limit}. Größere Dateien gehen über POST /api/ai-image/uploads.",
    ),
    "too_many_pixels": (
        "The picture has {megapixels} megapixels; the limit is {limit}. {plan_hint}",
        "Das Bild hat {megapixels} Megapixel; die Grenze ist {limit}. {plan_hint}",
    ),
    "image_format_unsupported": (
        "This is not a JPEG, PNG, WebP, AVIF or HEIC picture. Save it as one of these.",
        "Das ist kein JPEG-, PNG-, WebP-, AVIF- oder HEIC-Bild. Bitte in einem dieser Formate speichern.",
    ),
    "content_type_unsupported": (
        "The request body must be one of: {expected}.",
        "Der Inhalt der Anfrage muss eines hiervon sein: {expected}.",
    ),
    "idempotency_mismatch": (
        "This Idempotency-Key was used before with another request.",
        "Dieser Idempotency-Key wurde schon mit einer anderen Anfrage benutzt.",
    ),
    "rate_limited": (
        "Too many requests: {limit} in {windowSeconds} seconds are allowed. Please wait a moment.",
        "Zu viele Anfragen: {limit} in {windowSeconds} Sekunden sind erlaubt. Bitte kurz warten.",
    ),
    "daily_quota_exceeded": (
        "Today's pictures are used up ({used} of {limit}). The count starts again at midnight UTC.",
        "Die Bilder für heute sind aufgebraucht ({used} von {limit}). Um Mitternacht UTC beginnt die Zählung neu.",
    ),
    "network_quota_exceeded": (
        "Guests of this network used up today's pictures ({used} of {limit}). Sign in to continue.",
        "Gäste aus diesem Netz haben die Bilder für heute aufgebraucht ({used} von {limit}). Anmelden hilft.",
    ),
    "too_many_jobs": (
        "Your plan runs {limit} jobs at once. Wait for one to end, or cancel one.",
        "Dein Tarif führt {limit} Aufträge gleichzeitig aus. Bitte einen abwarten oder abbrechen.",
    ),
    "internal_error": (
        "Something went wrong on our side. Please try again; the same picture is never charged twice.",
        "Bei uns ist etwas schiefgegangen. Bitte noch einmal versuchen; dasselbe Bild wird nie doppelt berechnet.",
    ),
    "sign_in_failed": (
        "Signing in did not work ({reason}). Please try again.",
        "Die Anmeldung hat nicht geklappt ({reason}). Bitte noch einmal versuchen.",
    ),
    "pack_not_configured": (
        "There is no pack of {pack} credits. Packs: {allowed}.",
        "Es gibt kein Paket mit {pack} Credits. Pakete: {allowed}.",
    ),
    "plan_not_configured": (
        "The plan “{plan}” is not sold here ({interval}). On sale: {allowed}.",
        "Der Tarif „{plan}“ wird hier nicht angeboten ({interval}). Angeboten werden: {allowed}.",
    ),
    "subscription_exists": (
        "You already have a subscription ({plan}). Change it in the customer portal.",
        "Du hast schon ein Abo ({plan}). Ändern lässt es sich im Kundenportal.",
    ),
    "no_subscription": ("There is no subscription to cancel.", "Es gibt kein Abo, das sich kündigen ließe."),
    "nothing_bought": (
        "You have not bought anything yet, so there is nothing to manage.",
        "Du hast noch nichts gekauft; es gibt also nichts zu verwalten.",
    ),
    "checkout_under_way": (
        "This checkout is being opened already. Try again in a moment.",
        "Dieser Bezahlvorgang wird gerade geöffnet. Bitte gleich noch einmal versuchen.",
    ),
    "stripe_not_configured": (
        "Payments are not set up here. Nothing was bought.",
        "Zahlungen sind hier nicht eingerichtet. Es wurde nichts gekauft.",
    ),
    "stripe_unavailable": (
        "The payment service does not answer. Nothing was bought; please try again.",
        "Der Zahlungsdienst antwortet nicht. Es wurde nichts gekauft; bitte noch einmal versuchen.",
    ),
    "sign_in_unavailable": (
        "Signing in with {provider} is not possible right now.",
        "Die Anmeldung mit {provider} ist zurzeit nicht möglich.",
    ),
    "invalid_api_key": (
        "The API key is not valid, or was revoked. Send it as “Authorization: Bearer ek_…”, in no other header.",
        "Der API-Schlüssel ist ungültig oder widerrufen. Er gehört in „Authorization: Bearer ek_…“, sonst nirgends.",
    ),
    "return_to_invalid": (
        "returnTo must be a path of this page, such as /en/account.",
        "returnTo muss ein Pfad dieser Seite sein, zum Beispiel /de/account.",
    ),
    "api_key_in_url": (
        "Never put an API key into a URL: revoke it, and send a new one as “Authorization: Bearer …”.",
        "API-Schlüssel gehören nie in eine URL: bitte widerrufen und als „Authorization: Bearer …“ senden.",
    ),
    "scope_missing": (
        "This API key may not do that; it needs “{scope}”.",
        "Dieser API-Schlüssel darf das nicht; nötig ist „{scope}“.",
    ),
    "admin_only": ("This is for administrators only.", "Das ist Administratoren vorbehalten."),
    "owner_blocked": (
        "This account is blocked. Please contact us.",
        "Dieses Konto ist gesperrt. Bitte melde dich bei uns.",
    ),
    "not_in_cohort": (
        "We are opening step by step, and you are not in yet. {needs}: {upgradeUrl}",
        "Wir öffnen Schritt für Schritt, und du bist noch nicht dabei. {needs}: {upgradeUrl}",
    ),
    "runs_paused": (
        "Nothing new is started for the moment; what runs goes on. Nothing was charged; try again in a minute.",
        "Zurzeit beginnt nichts Neues; was läuft, läuft weiter. Nichts wurde berechnet; bitte in einer Minute wieder.",
    ),
    "flags_changed": (
        "Somebody else has changed the flags: version {version} is in force. Read them again, then repeat your change.",
        "Jemand anders hat die Schalter geändert: es gilt Version {version}. Bitte neu lesen und dann wiederholen.",
    ),
    "identity_taken": (
        "This {provider} account already belongs to another user here.",
        "Dieses {provider}-Konto gehört hier schon zu einem anderen Nutzer.",
    ),
    "too_many_keys": (
        "An account can have at most {limit} API keys; revoke one first.",
        "Ein Konto kann höchstens {limit} API-Schlüssel haben; bitte zuerst einen widerrufen.",
    ),
    "credits_too_few": (
        "Only {available} credits are there to deduct.",
        "Es sind nur {available} Credits da, die abgezogen werden können.",
    ),
    "key_cap_reached": (
        "This API key has used its {limit} credits of this month.",
        "Dieser API-Schlüssel hat seine {limit} Credits dieses Monats verbraucht.",
    ),
    "provider_exhausted": (
        "Today’s budget for this model is used up. Nothing was charged; please use another model.",
        "Das heutige Budget für dieses Modell ist aufgebraucht. Nichts wurde berechnet; bitte ein anderes wählen.",
    ),
    "provider_failed": (
        "The model could not process this picture. Nothing was charged.",
        "Das Modell konnte dieses Bild nicht verarbeiten. Es wurde nichts berechnet.",
    ),
    "provider_forbidden": (
        "This model is not available right now; we have been told. Nothing was charged.",
        "Dieses Modell ist zurzeit nicht verfügbar; wir sind benachrichtigt. Es wurde nichts berechnet.",
    ),
    "provider_rejected": (
        "The model does not accept this picture or one of the settings. Nothing was charged.",
        "Das Modell nimmt dieses Bild oder eine der Einstellungen nicht an. Es wurde nichts berechnet.",
    ),
    "prompt_refused": (
        "The model’s content filter refused the prompt or the picture. Nothing was charged.",
        "Der Inhaltsfilter des Modells hat die Beschreibung oder das Bild abgelehnt. Es wurde nichts berechnet.",
    ),
    "webhook_invalid": (
        "The signature of this call-back does not hold.",
        "Die Signatur dieses Rückrufs ist ungültig.",
    ),
    "provider_unavailable": (
        "The model did not answer. Nothing was charged; please try again.",
        "Das Modell hat nicht geantwortet. Es wurde nichts berechnet; bitte noch einmal versuchen.",
    ),
    "provider_throttled": (
        "The model is busy. Nothing was charged; please try again in a moment.",
        "Das Modell ist ausgelastet. Es wurde nichts berechnet; bitte gleich noch einmal versuchen.",
    ),
    "provider_timeout": (
        "The model took too long. Nothing was charged; try a smaller picture.",
        "Das Modell hat zu lange gebraucht. Es wurde nichts berechnet; bitte ein kleineres Bild versuchen.",
    ),
    "provider_output_invalid": (
        "The model returned no usable picture. Nothing was charged.",
        "Das Modell hat kein brauchbares Bild geliefert. Es wurde nichts berechnet.",
    ),
    "job_expired": (
        "The job did not finish in time. Nothing was charged.",
        "Der Auftrag wurde nicht rechtzeitig fertig. Es wurde nichts berechnet.",
    ),
}  # fmt: skip
_PLAN_HINT = ("The plan {requiredPlan} has it.", "Der Tarif {requiredPlan} enthält es.")


def message(code: str, details: dict[str, Any], language: str) -> str:
    """Return the text for an error code in ``en`` or ``de``."""
    column = 1 if language == "de" else 0
    shown = {name: _shown(said(name, value, language)) for name, value in details.items()}
    shown["plan_hint"] = _PLAN_HINT[column].format_map(shown) if details.get("requiredPlan") else ""
    shown["field_list"] = spelled_out(details.get("fields", []), details.get("more", 0), language)
    text = variant(code, details) or TEXTS[code]
    return text[column].format_map(defaultdict(lambda: "–", shown)).strip()


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
