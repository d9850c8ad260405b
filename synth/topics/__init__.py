"""From nothing but a domain: topics, the documents that are written about them, and task instructions."""
