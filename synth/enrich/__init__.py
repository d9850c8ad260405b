"""Noisy source texts that an LLM rewrites before anything is made of them, the original kept beside; and what it does
to retrieval.

Rewriting helps texts that are short and full of jargon and mistakes, and harms those whose very wording counts
(arXiv 2404.12283), so it is off unless asked for, chosen by source, and measured before it is adopted.
"""
