"""Who is told what about alerts, and when: pure, without Kafka, clock, network or environment (docs/alerts.md)."""
