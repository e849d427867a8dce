"""Wire types as text for people: pure functions from a value and a `View` to something rich can print.

Tables answer when, where and why. Nothing here reads a clock, asks a server or prints.
"""
