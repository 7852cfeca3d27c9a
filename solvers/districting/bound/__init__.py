"""What is proved over every choice of centres: what multipliers prove (``centre_bound``), and good ones (``multipliers``)."""
