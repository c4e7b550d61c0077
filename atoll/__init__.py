"""The command line: starts, stops and looks after the platform on one machine."""
