"""The registers service: canonical, append-only, provable lists of facts."""
