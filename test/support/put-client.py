"""
Puts so many bytes to http://127.0.0.1:PORT/ ROUNDS times by http.client, which sends all that it has before it reads, and prints
the status and length of each answer, or the name of the error.
"""

import http.client
import sys

port, rounds, length = map(int, sys.argv[1:])
upload = bytes(length)
for _ in range(rounds):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("PUT", "/", upload)
        response = connection.getresponse()
        print(response.status, len(response.read()))
    except (OSError, http.client.HTTPException) as error:
        print(type(error).__name__)
    connection.close()
