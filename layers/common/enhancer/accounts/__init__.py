"""Who is calling, how people sign in, what owners and administrators do with accounts.

``admin``        what administrators do: credits, plans, blocking, switches
``api_keys``     making API keys
``caller``       the caller of a request, by guest cookie, session or API key
``owner_data``   the copy of all data of an owner, and the deletion of an account
``sign_in``      both halves of signing in with Google or GitHub
"""
