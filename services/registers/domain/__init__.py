"""The rules of registers, as the openregister specification states them; standard library only."""
