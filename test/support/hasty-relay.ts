/**
 * A relay with the original's defect, for tests that have to notice it: at the first end it closes both sides, so that
 * a client which half-closes loses its answer. Called as the program is; its server listens on a Unix socket.
 */
import { dlopen, read } from "bun:ffi";
import { join, resolve } from "node:path";
import type { Socket } from "bun";
import { waitFor } from "./wait.ts";

interface Side {
  other: Socket<Side> | null;
}

const { symbols } = dlopen(resolve(import.meta.dir, "../../build/test/liblaunchd.so"), {
  launch_activate_socket: { args: ["cstring", "ptr", "ptr"], returns: "i32" },
});
const array = new BigUint64Array(1);
if (symbols.launch_activate_socket(Buffer.from("Socket\0"), array, new BigUint64Array(1)) !== 0) process.exit(1);
const fd = read.i32(Number(array[0]) as Parameters<typeof read.i32>[0], 0);

const path = join(process.cwd(), `hasty-relay-${process.pid}.socket`);
Bun.spawn(process.argv.slice(2), { env: { ...process.env, LAUNCH_PROGRAM_SOCKET_PATH: path } });

const handlers = {
  data: ({ data }: Socket<Side>, chunk: Buffer) => void data.other?.write(chunk),
  end: ({ data }: Socket<Side>) => void data.other?.end(),
  close: ({ data }: Socket<Side>) => void data.other?.end(),
};
Bun.listen<Side>({
  fd,
  socket: {
    ...handlers,
    open: async (client) => {
      client.data = { other: null };
      client.pause();
      // The path is there a moment before the server listens.
      client.data.other = await waitFor("the server takes a connection", () =>
        Bun.connect<Side>({ unix: path, socket: handlers, data: { other: client } }).catch(() => null),
      );
      client.resume();
    },
  },
});
