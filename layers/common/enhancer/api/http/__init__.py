"""What every request goes through.

``app``        the resolver: checks, headers, limits, one log line per request
``cookies``    our cookies
``csrf``       origin and token of unsafe requests
``failures``   the error envelope and the one table of error statuses
``json_body``  JSON within limits
``multipart``  forms with files
``prefer``     the Prefer header
``query``      which query parameters a route takes
``redirects``  answers that send a browser somewhere
``request``    a Lambda event as an HTTP request
``validation`` how Powertools reads bodies
"""
