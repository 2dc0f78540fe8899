"""What Rapport measures: pure functions of events. No Kafka, no clock, no environment; time comes in with the events."""
