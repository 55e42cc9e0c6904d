"""Kept for HostNotFound."""
from farflung.execnet._errors import HostNotFound  # noqa: F401
