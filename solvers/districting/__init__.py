"""Territory design: where territories are centred, and territories that are connected, as arrays.

``problem`` holds the problem and the answer; ``ladder`` is where to start reading: it hands the problem from rung to rung.
"""
