"""Stripe, which takes the payments for credits and subscriptions.

``client``   Stripe's own client with time-outs, retries, and our errors for its errors
``gateway``  every request we send to Stripe
``parse``    Stripe's objects as objects of the domain
``webhook``  verify the signature of a webhook and read its event
"""
