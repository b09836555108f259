"""Networks, measurements, training and evaluation. Independent of the database and the user interface."""
