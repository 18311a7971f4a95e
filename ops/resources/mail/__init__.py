"""SES: the sender's identity, its MAIL FROM domain and the limits of mail."""
