"""Whoever runs a model, behind the Protocol of `enhancer.domain.predictions`.

``embedded``            our own Lambda
``replicate``           Replicate: start, poll, cancel, fetch
``replicate_api``       Replicate's client and what its answers mean
``replicate_download``  results from Replicate's own hosts
``replicate_webhook``   signatures of Replicate's call-backs (Standard Webhooks)
``results``             a provider's picture: decoded, compared with what was ordered, encoded, stored
``trouble``             why a provider gave no usable answer
``workers_ai``          Cloudflare Workers AI over its REST API
``workers_ai_errors``   what Workers AI's refusals mean
``workers_ai_http``     the transport to Workers AI
"""
