"""Sign-in with Google or GitHub.

``base``       the interface of a sign-in provider, and the profile of who signed in
``client``     authlib's OAuth 2 client with bounded requests, and our errors for its failures
``github``     GitHub (OAuth 2)
``google``     Google (OpenID Connect)
``id_tokens``  verify ID tokens, read the keys they are signed with
"""
