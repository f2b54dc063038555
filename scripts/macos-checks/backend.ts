/**
 * The server that the checks run with the program in front. The first line of a connection says what it is to do; see
 * `behaviours`. It serves one connection after the other and dies at once on SIGTERM, as most servers do.
 *
 *   [VERIFY_START_DELAY=SECONDS] bun backend.ts [ARG…]
 *
 * It listens where the two documented variables say.
 */
import { rmSync } from "node:fs";
import { parseTcpAddress } from "../../src/address.ts";
import { type BlockingSocket, SocketError, serveForever } from "./blocking-socket.ts";
import { digest, pattern } from "./payload.ts";

/** What a connection before this one saw, for `last`. */
let last = "nothing";

const behaviours: Record<string, (client: BlockingSocket, amount: number) => void> = {
  /** Says who and where it is. */
  who: (client) => {
    const { PATH, LAUNCH_PROGRAM_SOCKET_PATH } = process.env;
    const answer = {
      uid: process.getuid?.(),
      pid: process.pid,
      path: PATH,
      socket: LAUNCH_PROGRAM_SOCKET_PATH,
      args: process.argv.slice(2),
    };
    client.send(JSON.stringify(answer));
  },
  /** Reads to the end, then says what it got. */
  digest: (client) => {
    client.send(digest(client.receiveAll().bytes));
  },
  /** Ends its own data first, then reads to the end. */
  first: (client) => {
    client.send("begin");
    client.endSending();
    last = digest(client.receiveAll().bytes);
  },
  /** Sends so many bytes and closes; whatever else the client sent stays unread. */
  send: (client, amount) => {
    client.send(pattern(amount));
  },
  /** Sends 1,000 bytes ten times a second for so many milliseconds. */
  drip: (client, amount) => {
    last = "broken";
    for (let elapsed = 0; elapsed < amount; elapsed += 100) {
      client.send(pattern(1000));
      Bun.sleepSync(100);
    }
    last = "complete";
  },
  /** Reads nothing for so many milliseconds, then everything. */
  hold: (client, amount) => {
    last = "held";
    Bun.sleepSync(amount);
    client.setTimeout(5000);
    last = client.receiveAll().ending;
  },
  /** Sends so many bytes, and breaks off once they have arrived. */
  reset: (client, amount) => {
    client.send(pattern(amount));
    Bun.sleepSync(500);
    client.reset();
  },
  /** Says what the last `first`, `drip` or `hold` saw. */
  last: (client) => {
    client.send(last);
  },
};

function serve(client: BlockingSocket): void {
  try {
    const [name = "", amount] = client.receiveLine().split(" ");
    const behaviour = behaviours[name];
    behaviour?.(client, Number(amount));
    if (name !== "reset") client.close();
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    client.close();
  }
}

const { LAUNCH_PROGRAM_TCP_ADDRESS: tcp, LAUNCH_PROGRAM_SOCKET_PATH: path, VERIFY_START_DELAY: delay } = process.env;
Bun.sleepSync(Number(delay ?? 0) * 1000);
if (!tcp && path) rmSync(path, { force: true });
serveForever(tcp ? parseTcpAddress(tcp) : { kind: "unix", path: path ?? "" }, serve);
