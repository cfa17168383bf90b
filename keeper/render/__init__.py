"""What people and machines read: values in; rich renderables, lines and JSON out. Prints nothing itself.

Figures are rounded here and nowhere else, always toward zero, so that no more is shown than there is.
"""
