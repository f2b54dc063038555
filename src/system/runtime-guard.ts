/**
 * Ends the program where the environment steers the runtime that it is compiled with. Imported ahead of everything
 * else and importing nothing: without its compiler, for one (BUN_JSC_useJIT=0), the runtime cannot even call the C
 * library, which the log does.
 */
const steering = Object.keys(process.env).find((name) => name.startsWith("BUN_JSC_"));
if (steering !== undefined) {
  console.error(
    `launch_socket_server: cannot start: ${steering} in the environment changes this program too, which is made with Bun; take it out and start yours by /usr/bin/env ${steering}=... PROGRAM`,
  );
  process.exit(1);
}

export {};
