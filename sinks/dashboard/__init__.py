"""The live page and its JSON API: who is waiting, how it goes, and who the people are."""
