"""The cost report as files: JSON for programs, CSV for spreadsheets, one page for people.

``amounts``  how amounts are written: the only place where whole numbers become decimals
``charts``   charts as SVG, by pygal
``files``    the files of a report, and under which policy a browser may show them
``links``    addresses of reports that expire
``page``     the page
``style``    the style of the page
``tables``   the tables of a report, for the page and the CSV
"""
