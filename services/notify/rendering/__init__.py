"""Turns the text of a message into what is read: HTML, plain text, pages of paper."""
