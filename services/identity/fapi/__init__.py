"""The profile that the strictest state asks for (FAPI 2.0): PAR, DPoP, no bearer tokens.

The core of ``protocol/`` reads without it; it joins through ``protocol/profile.py``. PAR and DPoP
are open to every client and required of those whose profile is ``fapi2``.
"""

from services.identity.fapi.profile import FAPI2, Fapi

__all__ = ["FAPI2", "Fapi"]
