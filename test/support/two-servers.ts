/** Listens on the two generated paths of the routes HTTP and HTTPS, and tells which one was asked. */
for (const name of ["HTTP", "HTTPS"]) {
  const path = process.env[`LAUNCH_PROGRAM_SOCKET_PATH_${name}`];
  if (path === undefined) throw new Error(`there is no path for ${name}`);
  Bun.serve({ unix: path, fetch: () => Response.json({ name, env: process.env }) });
}
process.on("SIGTERM", () => process.exit(0));
