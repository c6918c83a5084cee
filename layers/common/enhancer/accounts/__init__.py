"""Who is calling, how they sign in, what administrators and owners may ask.

``admin``        what administrators do: credits, plans, blocking, switches
``api_keys``     making API keys
``caller``       from cookies, session or API key to the caller of a request
``owner_data``   the copy of all data of an owner, and the deletion of an account
``sign_in``      both halves of signing in with Google or GitHub
"""
