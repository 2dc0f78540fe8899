"""``rapport notify run``: alerts from Kafka to people, by the pure rules of ``streams/notifications``."""
