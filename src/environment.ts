import { log } from "./log.ts";

/**
 * Ends the program where the environment steers the runtime that it is compiled with. Imported ahead of everything
 * else: without its compiler, for one (BUN_JSC_useJIT=0), the runtime cannot even call the C library.
 */
const steering = Object.keys(process.env).find((name) => name.startsWith("BUN_JSC_"));
if (steering !== undefined) {
  log.error(
    `cannot start: ${steering} in the environment changes this program too, which is made with Bun; take it out and start yours by /usr/bin/env ${steering}=... PROGRAM`,
  );
  process.exit(1);
}
