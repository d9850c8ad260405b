"""Drives open-weight LLMs behind OpenAI-compatible servers, vLLM first of all.

settings    what `--llm` and its companions say
endpoints   which servers, models and weights; what a server says of itself
requests    one request: its bytes and its key
client      one continuously fed queue for every model, in a thread of its own
  pool        which server takes the next request
  link        one server: what it has, how long it may take
  limits      how many requests it can use at once, found while it works
  health      servers that fail are left alone and tried again
  transport   HTTP/1.1, as little of it as this needs
  budget      when to stop
stream      a caller's end of the client
answers     what a server's reply means, and whether it is what was asked for
markers     keeps text of documents from being read as chat markup
journal     every answer on disk before anything reads it
archive     the same answers as Parquet in the store, for every later run
counters    how it goes; `prometheus` serves them, `metrics` reads those of vLLM
server      a vLLM of our own, started and always stopped, under a `supervisor`
install     the environment that vLLM lives in
"""
