"""Personas: derived from documents and from each other, told apart, matched to passages, and where they show."""
