"""One file per outside system or kind of record."""
