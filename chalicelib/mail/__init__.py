"""Mails: composed, sent, and followed to the mailbox."""
