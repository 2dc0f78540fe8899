"""What Rapport's messages look like: schemas, their encoding, and the topics they travel on. Imports nobody."""
