"""Drives open-weight LLMs behind OpenAI-compatible servers, vLLM first of all.

endpoints   which servers, models and weights; what a server says of itself
limits      how many requests a server can use at once, found while it works
client      one continuously fed queue for every model
answers     what a server's reply means, and whether it is what was asked for
journal     every answer on disk before anything reads it
archive     the same answers as Parquet in the store, for every later run
server      a vLLM of our own, started and always stopped
install     the environment that vLLM lives in
"""
