"""Personal registers: a log of salted commitments, and values apart from it that can be erased.

Which there are is decided with the platform's code, as their purposes and lawful bases are: each is
described in ``personal/seed`` and declared at the gateway (``routes.yaml``). One that is not
declared there cannot be read by anybody.
"""
