"""What goes on inside a segment: the states of every inner step, and what they say.

`recorder` hooks the modules that compute them, so that the code of a core stays as it is.
"""
