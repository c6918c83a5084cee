"""The product's rules. Pure: standard library only, no input and no output, time is an argument.

``accounts``       users, their sessions, and sign-ins that were begun
``api_keys``       form, scopes and limits of API keys
``artifacts``      keys of stored files in the bucket
``availability``   which models may run in an environment
``callers``        who sent a request: a guest, a user or an API key
``cohorts``        who is let in while the product is opened step by step
``costs``          what a run costs us, in USD micros; the providers' prices
``credits``        packs of credits, lots, expiry
``digests``        SHA-256 of requests, results and idempotency keys
``entitlement``    what a model can do and a plan includes
``errors``         every error, with its type and code
``etags``          whether a client already has what it asks for
``flags``          what the operator sets at run time: phase, switches, caps
``flags_document`` the same as a JSON document: bounds, changes, what differs
``ids``            random ids and names; ids sort by time
``images``         accepted formats, limits of size
``jobs``           a job and its items
``keyed_hashes``   names for what must not be stored itself
``ledger``         ledger entries, holds and balances
``models``         the catalogue of models
``owners``         who owns things: a guest or a user
``paths``          paths that a browser may be sent to; loopback URLs
``payments``       what Stripe tells us, as values
``periods``        days and months, in UTC
``plans``          the plans and their limits
``predictions``    the interface of every predictor
``pricing``        what a run costs its owner, in tenths of a credit
``rate_limits``    rate limits as arithmetic
``recovery``       what follows a failed try: again, another model, or the end
``refs``           which item of which job, attempt and turn; in events, paths and keys
``refusals``       the errors of quotas that are used up
``stripe_prices``  Stripe's price ids of packs and plans
``subscriptions``  subscriptions, and the plan and months they give
"""
