"""The commands: one module each, imported by `cli` when it runs.

The summary at the start of `serve` is in `facts` and `banner`, the exits with a reason are in
`refusals`. On a terminal rich draws the output; elsewhere it is plain text, for scripts too.
"""
