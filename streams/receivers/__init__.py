"""Who is told: webhooks, Slack, PagerDuty and e-mail, each behind the contract of ``base.py``."""
