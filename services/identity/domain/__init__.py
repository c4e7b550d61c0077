"""Rules of identity that need nothing but the standard library."""
