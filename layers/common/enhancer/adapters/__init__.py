"""One package per outside system. Adapters know the rules of the domain and never the environment.

``aws``            S3, Step Functions, Secrets Manager, SNS, SQS
``dynamodb``       the one table: keys, conditional writes, the ledger
``error_reports``  errors of ours, scrubbed, to Sentry
``http``           requests to servers that are not ours: downloads, vetted addresses, bounded bodies
``images``         decoding, colour, encoding
``predictors``     whoever runs a model: Replicate, Workers AI, our own Lambda
``signin``         Google and GitHub
``signing``        signed cookies and paths
``stripe``         Stripe's API and its webhook's signature
"""
