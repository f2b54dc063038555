/** A WebSocket server that echoes each message. */
const path = process.env.LAUNCH_PROGRAM_SOCKET_PATH;
if (path === undefined) throw new Error("LAUNCH_PROGRAM_SOCKET_PATH is not set");

Bun.serve({
  unix: path,
  fetch: (request, server) =>
    server.upgrade(request) ? undefined : new Response("a WebSocket is wanted", { status: 426 }),
  websocket: {
    message(socket, message) {
      socket.send(message);
    },
  },
});
process.on("SIGTERM", () => process.exit(0));
