"""What the commands do: a module each, imported by `cli` when it runs.

What people read is here as well: the summary of `serve` in `facts` and `banner`, the findings of
`check` in `findings`. On a terminal rich draws it; elsewhere it is plain text, for scripts too.
"""
