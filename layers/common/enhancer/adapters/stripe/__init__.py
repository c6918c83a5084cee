"""Stripe, which takes the payments for credits and subscriptions.

``books``    balance transactions and what they are about, for the cost report
``client``   Stripe's own client with time-outs, retries, and our errors for its errors
``gateway``  every request we send to Stripe
``parse``    Stripe's objects as objects of the domain
``webhook``  verify the signature of a webhook and read its event
"""
