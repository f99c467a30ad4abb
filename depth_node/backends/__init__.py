"""What runs the network: one small protocol, one file for each library, and the choice between them."""

from __future__ import annotations

from .choose import Choice, choose
from .protocol import Backend

__all__ = ['Backend', 'Choice', 'choose']
