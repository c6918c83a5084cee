"""Requests to servers that are not ours.

``bounded``    bodies within bounds of bytes and time, and what Retry-After asks for
``download``   a picture by URL, from public addresses only
``urls``       which addresses are public
"""
