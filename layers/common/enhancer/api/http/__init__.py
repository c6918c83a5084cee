"""What every request goes through.

``app``        the resolver: envelope, errors, headers, limits, one log line per request
``cookies``    our cookies
``csrf``       origin and token of unsafe requests
``multipart``  forms with files
``prefer``     the Prefer header
``redirects``  answers that send a browser somewhere
``request``    a Lambda event as an HTTP request
"""
