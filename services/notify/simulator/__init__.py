"""Providers of texts that send nothing: the companies that the demonstration and the tests use."""
