"""Rapport's stream processing: connectors bring events in, the processor measures them, the shell runs it all."""
