"""Identity: people, clients, sign-in, tokens and agreements."""
