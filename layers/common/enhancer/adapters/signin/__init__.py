"""Signing in at an outside provider.

``base``       what every provider must do, and the profile it answers with
``client``     the HTTP client of a sign-in: bounded, pinned to the provider's hosts
``github``     GitHub (OAuth 2)
``google``     Google (OpenID Connect)
``id_tokens``  ID tokens and the keys they are signed with
"""
