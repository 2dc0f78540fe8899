"""Who is told: webhooks, chats, incident managers and e-mail, each behind the contract of ``base.py``."""
