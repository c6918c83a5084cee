"""Settings: every malformed value is refused by its name, and never shown."""

import pytest

from enhancer.settings import BadSetting, Settings

GOOD = {
    "ENVIRONMENT": "production", "TABLE_NAME": "table", "BUCKET_NAME": "photos", "SIGNING_SECRET_NAME": "signing",
}  # fmt: skip


def test_the_required_settings_are_enough():
    """Everything else has a safe default."""
    found = Settings.load(GOOD)
    assert (found.environment, found.table, found.bucket, found.signing_secret) == (
        "production", "table", "photos", "signing",
    )  # fmt: skip
    assert (found.app_origin, found.allowed_origins, found.workers_ai_enabled) == ("", (), False)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_empty_required_setting_is_refused_by_name(name, missing):
    """The message says which one."""
    environ = {key: value for key, value in GOOD.items() if key != name} if missing else GOOD | {name: ""}
    with pytest.raises(BadSetting, match=name):
        Settings.load(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"), ("ENVIRONMENT", "Production"), ("ENVIRONMENT", " development"),
        ("WORKERS_AI_ENABLED", "maybe"), ("WORKERS_AI_ENABLED", "2"), ("WORKERS_AI_ENABLED", "truee"),
        ("ALLOWED_ORIGINS", "app.example"), ("ALLOWED_ORIGINS", "*"), ("ALLOWED_ORIGINS", '["https://a.example"]'),
        ("ALLOWED_ORIGINS", "https://a.example/path"), ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "https://a.example,javascript:x"), ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "https://user@a.example"), ("ALLOWED_ORIGINS", "https://a.example https://b.example"),
    ],
)  # fmt: skip
def test_a_malformed_value_is_refused_by_name(name, value):
    """The operator learns which setting and what is allowed."""
    with pytest.raises(BadSetting, match=f"^{name} must be "):
        Settings.load(GOOD | {name: value})


@pytest.mark.parametrize("name", ["ENVIRONMENT", "WORKERS_AI_ENABLED", "ALLOWED_ORIGINS"])
def test_the_refusal_does_not_show_the_value(name):
    """What was put into the wrong setting by mistake may be a secret and stays out of the log."""
    with pytest.raises(BadSetting) as refused:
        Settings.load(GOOD | {name: "sk_live_0123456789"})
    assert "0123456789" not in str(refused.value)


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_a_flag_is_on_in_all_usual_spellings(value):
    """One meaning everywhere."""
    assert Settings.load(GOOD | {"WORKERS_AI_ENABLED": value}).workers_ai_enabled is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off", "", " "])
def test_a_flag_is_off_in_all_usual_spellings(value):
    """Empty means off."""
    assert Settings.load(GOOD | {"WORKERS_AI_ENABLED": value}).workers_ai_enabled is False


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()), (" , ", ()), ("https://a.example", ("https://a.example",)),
        ("https://a.example, http://localhost:8787", ("https://a.example", "http://localhost:8787")),
        ("http://[::1]:3000", ("http://[::1]:3000",)),
    ],
)  # fmt: skip
def test_origins_are_listed_with_commas(value, origins):
    """Spaces and empty parts do not matter."""
    assert Settings.load(GOOD | {"ALLOWED_ORIGINS": value}).allowed_origins == origins


def test_the_apps_origin_has_no_slash_at_its_end():
    """So that it equals what browsers send."""
    assert Settings.load(GOOD | {"APP_ORIGIN": "https://a.example/"}).app_origin == "https://a.example"
