"""OAuth 2.1 and OpenID Connect: Authlib decides, PyJWT signs."""
