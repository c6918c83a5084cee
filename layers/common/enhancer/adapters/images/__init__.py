"""Pictures in memory: decoded before they are trusted, encoded by us.

``colour``      colour profiles
``containers``  bytes of JPEG, PNG and WebP files: what a decoder must not see, what a result is marked with
``pixels``      decode, clean, encode
"""
