/** The server of `make demo`: it listens where launch_socket_server says, and nowhere else. */
const path = process.env.LAUNCH_PROGRAM_SOCKET_PATH;
if (path === undefined)
  throw new Error("LAUNCH_PROGRAM_SOCKET_PATH is not set; start this server by launch_socket_server");

const server = Bun.serve({
  unix: path,
  fetch: () => new Response(`Hello from process ${process.pid}, run as user ${process.getuid?.()}.\n`),
});

process.on("SIGTERM", async () => {
  await server.stop();
  process.exit(0);
});
