"""Stand-ins for Replicate, Workers AI, Stripe, Google and GitHub: processes on loopback with the provider's HTTP API.

Tests script faults, read the log of requests and move the clock through the control channel (`control`).
"""
