const unix = process.env.LAUNCH_PROGRAM_SOCKET_PATH;
const fetch = () => new Response("hello from Bun\n");

if (unix) Bun.serve({ unix, fetch });
else Bun.serve({ port: 8000, fetch });
