"""A volume in, a prediction out: exact, in bounded memory."""
