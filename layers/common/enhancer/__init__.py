"""The product: what an image enhancer does, and the adapters it does it with.

``accounts``     who is calling, signing in, administration, an owner's data
``adapters``     one package per outside system: DynamoDB, S3 and the rest of AWS, Stripe, providers, sign-in, images
``api``          HTTP: requests, envelope, cookies, forms, the shapes of answers, the page
``billing``      buying, what Stripe reports, the statement
``domain``       the rules: pure, standard library only
``jobs``         from a photo to a held job, running it, and everything an owner does with it later
``operations``   what runs by the clock
``runtime``      builds every client and adapter once; hands out time, ids and the dependencies of the use cases
``settings``     the environment, read and checked in one place
``snapshots``    what differs between processes that start from one snapshot
``telemetry``    the logger and the metrics
"""
