"""Stands in front of an installed execnet: see farflung.as_execnet."""
from farflung import as_execnet  # noqa: F401  (replaces this module by farflung.execnet)
