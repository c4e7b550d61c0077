"""What the portal knows without a network: drawings, times, contracts, sign-in rules."""
