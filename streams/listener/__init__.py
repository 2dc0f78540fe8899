"""``rapport listen``: takes in over HTTP what others push."""
