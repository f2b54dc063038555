/**
 * Listens on a Unix socket, answers 413 with this body, in ASCII, at the first byte of each connection, and closes: whoever sends
 * on is reset.
 */
export function refuseUploads(path: string, body: string): { stop(force?: boolean): void } {
  const answer = `HTTP/1.1 413 Content Too Large\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
  return Bun.listen<{ answered: boolean }>({
    unix: path,
    socket: {
      open: (socket) => {
        socket.data = { answered: false };
      },
      data: (socket) => {
        if (!socket.data.answered) socket.end(answer);
        socket.data.answered = true;
      },
    },
  });
}
