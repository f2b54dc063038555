"""Answers each datagram that comes to descriptor 3."""
import socket

server = socket.socket(fileno=3)
while True:
    message, client = server.recvfrom(2048)
    server.sendto(message + b" back", client)
