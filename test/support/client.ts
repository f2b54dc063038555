import type { Socket, SocketOptions } from "bun";
import type { Address } from "../../src/address.ts";
import type { Order } from "./faulty-backend.ts";
import { byteAt } from "./stream.ts";
import { waitFor } from "./wait.ts";

/** Connects and sends a FaultyBackend its order. */
export async function order(address: Address, order: Order, options?: { reading: boolean }): Promise<Client> {
  return (await Client.open(address, options)).send(`${JSON.stringify(order)}\n`);
}

/** A client that keeps count of what it gets, compares it with the test stream if it is told to, and sees how it ends. */
export class Client implements Disposable {
  received = 0;
  /** The first bytes, for answers that are text. */
  text = "";
  state: "open" | "ended" | "closed" | "reset" = "open";
  /** Where the answer differs from the test stream; null as long as it does not. */
  differsAt: number | null = null;
  /** Its system has told it that not all of its data was taken: by an error, or by a write that fails. */
  refused = false;
  #unsent: Uint8Array = new Uint8Array();
  socket!: Socket<undefined>;

  /** Connects. A client with `reading: false` never takes a byte until `resume`. */
  static async open(address: Address, { reading = true } = {}): Promise<Client> {
    const client = new Client();
    const options: Pick<SocketOptions<undefined>, "allowHalfOpen" | "data" | "socket"> = {
      allowHalfOpen: true,
      data: undefined,
      socket: {
        open: (socket) => {
          if (!reading) socket.pause();
        },
        data: (_, chunk) => client.#receive(chunk),
        drain: () => client.#flush(),
        end: () => {
          if (client.state === "open") client.state = "ended";
        },
        close: (_, error) => {
          if (error !== undefined) client.refused = true;
          // A reset behind the end of data is Linux's way of closing a socket that was written to afterwards.
          if (client.state === "open") client.state = error === undefined ? "closed" : "reset";
        },
      },
    };
    client.socket =
      address.kind === "unix"
        ? await Bun.connect<undefined>({ ...options, unix: address.path })
        : await Bun.connect<undefined>({ ...options, hostname: address.host || "127.0.0.1", port: address.port });
    return client;
  }

  send(data: Uint8Array | string): this {
    const more = typeof data === "string" ? Buffer.from(data) : data;
    this.#unsent = this.flushed ? more : Buffer.concat([this.#unsent, more]);
    this.#flush();
    return this;
  }

  /** All that was sent is in the kernel's hands. */
  get flushed(): boolean {
    return this.#unsent.length === 0;
  }

  shutdown(): this {
    this.socket.shutdown();
    return this;
  }

  close(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.terminate();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Waits for the end, whichever it is. */
  async over(timeout = 20_000): Promise<this> {
    await waitFor(
      () => `the end of an answer of which ${this.received} bytes have come`,
      () => this.state !== "open",
      timeout,
    );
    return this;
  }

  async got(bytes: number, timeout = 20_000): Promise<this> {
    await waitFor(
      () => `${bytes} bytes, of which ${this.received} have come (${this.state})`,
      () => this.received >= bytes,
      timeout,
    );
    return this;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  #receive(chunk: Uint8Array): void {
    if (this.received < 4_096) this.text += new TextDecoder().decode(chunk.subarray(0, 4_096));
    for (let index = 0; this.differsAt === null && index < chunk.length; index++) {
      if (chunk[index] !== byteAt(this.received + index)) this.differsAt = this.received + index;
    }
    this.received += chunk.length;
  }

  #flush(): void {
    if (this.#unsent.length === 0) return;
    const count = this.socket.write(this.#unsent);
    if (count > 0) this.#unsent = this.#unsent.subarray(count);
    else if (count < 0) this.refused = true;
  }
}
