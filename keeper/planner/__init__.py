"""The planner: what is worth closing, how much of it, and through what. Pure.

`planner` is the way through; `sizing` and `routing` serve on their own, with nothing but pools and terms.
"""
