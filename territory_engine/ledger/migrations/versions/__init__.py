"""The revisions, named by their number and what they do. A released one is never edited."""
