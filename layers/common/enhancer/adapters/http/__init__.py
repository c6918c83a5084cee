"""HTTP requests to servers that are not ours.

``bounded``    read a body within a limit of bytes and time; read ``Retry-After``; our ``User-Agent``
``download``   download an image from a user's URL, from public addresses only (against SSRF)
``probe``      a cheap read at a provider or Stripe, for the deep health check
``urls``       check a user's URL, and whether an address is public
"""
