"""Where Rapport's facts go. Imports schemas, ``streams.errors`` and ``streams.telemetry``, and nothing else of ours."""
