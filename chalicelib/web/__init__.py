"""Requests and answers: how people and programs come in."""
