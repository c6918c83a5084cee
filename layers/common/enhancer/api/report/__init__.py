"""The cost report as files: JSON for programs, CSV for spreadsheets, one page for people.

``amounts``  how amounts are written: the only place where whole numbers become decimals
``charts``   charts as SVG, by pygal
``files``    the files of a report
``links``    names, types and addresses of files; addresses that expire
``page``     the page
``style``    the style of the page, and the policy under which a browser shows it
``tables``   the tables of a report, for the page and the CSV
"""
