"""Providers that run models, each behind the Protocol `enhancer.domain.predictions.Predictor`.

``embedded``            the model in our own Lambda function ``upscale``
``replicate``           Replicate: start, poll and cancel a prediction, fetch and store its result
``replicate_api``       Replicate's HTTP API through its own client, with bounded requests
``replicate_download``  downloads of results from Replicate's own hosts
``replicate_errors``    failures at Replicate, and our error for each
``replicate_webhook``   signatures of Replicate's webhooks (Standard Webhooks)
``results``             decode a provider's result, check it against the order, encode and store it
``workers_ai``          Cloudflare Workers AI: one request per image
``workers_ai_errors``   failures at Workers AI, and our error for each
``workers_ai_http``     the HTTP request to Workers AI
"""
