import type { Socket } from "bun";
import { type Address, parseAddress } from "../../src/address.ts";
import { bindListener, closeDescriptor, duplicate, setBacklog, unsentBytes } from "../../src/system/sockets.ts";
import { bytesFrom } from "./stream.ts";

/** What a client asks of the backend, as one line of JSON before whatever else it sends. */
export interface Order {
  /** How many bytes of the test stream to answer. */
  answer?: number;
  /** Read the client's data to its end first, and answer `{"bytes":…,"hash":…}` on a line instead. */
  sum?: boolean;
  /** Under which number to keep what the client sends to its end. */
  id?: number;
  /** Read nothing more behind the order. */
  deaf?: boolean;
  /** How many bytes at a time, and how many milliseconds between them. */
  chunk?: number;
  pause?: number;
  /**
   * What comes behind the answer: the end of our data, an orderly close, a reset, the end of the process, its death by SIGKILL, or nothing:
   * until the client ends (`hold`), or for ever (`keep`).
   */
  last?: "end" | "close" | "reset" | "exit" | "crash" | "hold" | "keep";
  /** What comes 100 ms after the end of our data. */
  later?: "close" | "reset";
}

interface Session {
  order: Order | null;
  line: string;
  sent: number;
  bytes: number;
  hash: Bun.CryptoHasher;
  /** A piece of the answer, and its place in it. */
  answer: Uint8Array;
  from: number;
  ended: boolean;
}

/**
 * A server that does to each client what its first line asks for: see Order. As a program of its own it takes where to listen
 * (default LAUNCH_PROGRAM_SOCKET_PATH), its backlog, and `ignore-term` if SIGTERM is not to end it.
 */
export class FaultyBackend implements Disposable {
  /** Connections that were ever made, those whose client has ended its data, those that said nothing at all, and those that are open. */
  made = 0;
  ended = 0;
  silent = 0;
  open = 0;
  /** Bytes that came behind the orders. */
  bytes = 0;
  /** What clients with a number have sent by the time of their end. */
  readonly uploads = new Map<number, { bytes: number; hash: string }>();
  /** The clients' first lines in the order in which they were read. */
  readonly orders: string[] = [];
  #listener: { stop(force?: boolean): void } | undefined;
  readonly #fd: number;

  constructor(
    readonly address: Address,
    readonly backlog = 511,
    { accepting = true } = {},
  ) {
    this.#fd = bindListener(address, backlog);
    if (accepting) this.accept();
  }

  /** Begins to accept: until then clients fill the backlog. */
  accept(): void {
    const fd = duplicate(this.#fd);
    this.#listener = Bun.listen<Session>({
      fd,
      allowHalfOpen: true,
      socket: {
        open: (socket) => this.#opened(socket),
        data: (socket, chunk) => this.#read(socket, chunk),
        end: (socket) => this.#ended(socket),
        drain: (socket) => this.#answer(socket),
        close: ({ data }, error) => {
          this.open--;
          // Behind our own end Bun tells of the client's end only so.
          if (error === undefined && !data.ended) this.#keepUpload(data);
          if (data.order === null && data.line === "") this.silent++;
        },
      },
    });
    setBacklog(fd, this.backlog);
  }

  /** Accepts nobody for the time being. */
  pause(): void {
    this.#listener?.stop();
    this.#listener = undefined;
  }

  [Symbol.dispose](): void {
    this.#listener?.stop(true);
    closeDescriptor(this.#fd);
  }

  #opened(socket: Socket<Session>): void {
    this.made++;
    this.open++;
    const hash = new Bun.CryptoHasher("sha1");
    socket.data = { order: null, line: "", sent: 0, bytes: 0, hash, answer: new Uint8Array(), from: 0, ended: false };
  }

  #read(socket: Socket<Session>, chunk: Uint8Array): void {
    const session = socket.data;
    if (session.order === null) {
      const end = chunk.indexOf(10);
      session.line += Buffer.from(end < 0 ? chunk : chunk.subarray(0, end)).toString("latin1");
      if (end < 0) return;
      chunk = chunk.subarray(end + 1);
      this.orders.push(session.line);
      session.order = JSON.parse(session.line) as Order;
      if (session.order.deaf) socket.pause();
      session.answer = bytesFrom(0, Math.min(session.order.answer ?? 0, session.order.chunk ?? 1_000_000));
      if (!session.order.sum) this.#answer(socket);
    }
    this.bytes += chunk.length;
    session.bytes += chunk.length;
    session.hash.update(chunk);
  }

  #ended(socket: Socket<Session>): void {
    const session = socket.data;
    const upload = this.#keepUpload(session);
    if (session.order?.sum) {
      const text = `${JSON.stringify(upload)}\n`;
      session.answer = Buffer.from(text);
      session.order = { ...session.order, sum: false, answer: text.length };
      this.#answer(socket);
    } else if (session.order?.last === "hold" || session.order === null) {
      // As most servers do: a client that has ended is let go.
      socket.end();
    }
  }

  #keepUpload(session: Session): { bytes: number; hash: string } {
    this.ended++;
    session.ended = true;
    const upload = { bytes: session.bytes, hash: session.hash.digest("hex") };
    if (session.order?.id !== undefined) this.uploads.set(session.order.id, upload);
    return upload;
  }

  /** Writes as much as the kernel takes, up to the order's next pause. */
  #answer(socket: Socket<Session>): void {
    const session = socket.data;
    const order = session.order;
    if (order === null || order.sum) return;
    const total = order.answer ?? 0;
    while (session.sent < total) {
      // A long answer is made in pieces, each at its own place in the stream.
      if (session.sent === session.from + session.answer.length) {
        session.from = session.sent;
        session.answer = bytesFrom(session.from, Math.min(session.answer.length, total - session.from));
      }
      const count = socket.write(session.answer.subarray(session.sent - session.from));
      if (count <= 0) return;
      session.sent += count;
      if (order.pause !== undefined && session.sent < total) {
        setTimeout(() => this.#answer(socket), order.pause);
        return;
      }
    }
    session.order = { ...order, last: order.last === "keep" ? "keep" : "hold", answer: 0 };
    session.sent = 0;
    this.#finish(socket, order);
  }

  #finish(socket: Socket<Session>, { last = "end", later, deaf }: Order): void {
    switch (last) {
      case "end":
        socket.shutdown();
        if (later !== undefined) setTimeout(() => (later === "close" ? socket.end() : socket.terminate()), 100);
        return;
      case "close":
        // With unread input a close of TCP is a reset.
        if (deaf) return whenTaken(socket.fd, () => socket.end());
        socket.end();
        return;
      case "reset":
        return whenTaken(socket.fd, () => socket.terminate());
      case "exit":
        return whenTaken(socket.fd, () => process.exit(0));
      case "crash":
        process.kill(process.pid, "SIGKILL");
        return;
      case "hold":
      case "keep":
    }
  }
}

/** A reset throws away what the peer's kernel has not got yet. */
function whenTaken(fd: number, then: () => void): void {
  if (unsentBytes(fd) === 0) then();
  else setTimeout(() => whenTaken(fd, then), 1);
}

/**
 * The command of a backend that is a process of its own, so that a test's own work does not slow it down. Its arguments:
 * the address, else what LAUNCH_PROGRAM_SOCKET_PATH says; the backlog; and `ignore-term` for one that SIGTERM does not end.
 */
export const backendCommand = [process.execPath, import.meta.path] as const;

if (import.meta.main) {
  const [where = process.env.LAUNCH_PROGRAM_SOCKET_PATH ?? "", backlog = "511", onTerm] = process.argv.slice(2);
  new FaultyBackend(parseAddress(where), Number(backlog));
  process.on("SIGINT", () => console.error("backend: SIGINT"));
  if (onTerm === "ignore-term") process.on("SIGTERM", () => console.error("backend: SIGTERM"));
}
