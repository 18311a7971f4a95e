"""Mails: composing, sending, and SES's reports about them."""
