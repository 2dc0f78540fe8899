"""Where Interactions come from, and the one way by which they enter Kafka. README.md says what lives here."""
