/**
 * Asks a daemon without end in every bad manner, until it is killed: `bun flooder.ts PATH`. Some connect and go at once, some say nothing,
 * some ask and do not read, some send what is no request, some ask as fast as they are answered.
 */
import type { Socket } from "bun";

const [unix = ""] = process.argv.slice(2);
const status = '{"command":"status"}\n';

/** What one of them does with its connection; it makes the next one when this one has ended. */
const manners: ((socket: Socket<undefined>) => void)[] = [
  (socket) => socket.terminate(),
  () => {},
  (socket) => {
    socket.pause();
    socket.write(status);
  },
  (socket) => void socket.write("x".repeat(100_000)),
  (socket) => void socket.write(status),
];

/** Connections that were made, and that were not for lack of room. */
const count = { made: 0, refused: 0 };

async function flood(manner: (socket: Socket<undefined>) => void): Promise<never> {
  for (;;) {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    try {
      await Bun.connect<undefined>({
        unix,
        data: undefined,
        socket: { open: manner, data() {}, close: () => resolve() },
      });
      count.made++;
      await ended;
    } catch {
      count.refused++;
      // The queue is full. A moment's rest, or nobody else on this machine would get anything done.
      await Bun.sleep(1);
    }
  }
}

for (const manner of manners) for (let each = 0; each < 8; each++) flood(manner);
setInterval(() => console.log(JSON.stringify(count)), 100);
