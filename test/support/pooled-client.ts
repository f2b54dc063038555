import type { Socket } from "bun";
import { errno, libc } from "../../src/system/libc.ts";

/** What became of one request. */
export type Result =
  /** Answered; `reused` on a connection that had an answer before. */
  | { kind: "answered"; text: string; reused: boolean }
  /** The server had ended the connection before the request was sent, so that it was not sent. */
  | { kind: "closed" }
  /** The server's end was there when the request had been sent: they crossed on the way. */
  | { kind: "crossed" }
  /** The request was sent before the server's end came, and there was no answer. */
  | { kind: "lost" };

/**
 * An HTTP client of one connection, which it keeps and makes anew only after its end. It repeats nothing. On one machine data and
 * FIN are with the other kernel when the call that sends them returns, so that it knows which came first.
 */
export class PooledClient implements Disposable {
  #socket: Socket<undefined> | null = null;
  #answers = 0;
  #text = "";
  #over: (() => void) | undefined;

  constructor(readonly port: number) {}

  async ask(path = "/"): Promise<Result> {
    if (this.#socket !== null && look(this.#socket) !== "open") {
      this.#forget();
      return { kind: "closed" };
    }
    const socket = this.#socket ?? (await this.#connect());
    const reused = this.#answers > 0;
    const over = Promise.withResolvers<void>();
    this.#over = over.resolve;
    this.#text = "";
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const crossed = look(socket) !== "open";
    await over.promise;
    const [, text] = this.#text.match(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n([\s\S]*)$/) ?? [];
    if (text === undefined) {
      this.#forget();
      return { kind: crossed ? "crossed" : "lost" };
    }
    this.#answers++;
    return { kind: "answered", text, reused };
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #forget(): void {
    this.#socket?.terminate();
    this.#socket = null;
  }

  async #connect(): Promise<Socket<undefined>> {
    this.#answers = 0;
    // A connection that is given up already has nothing to say here.
    const over = (socket: Socket<undefined>) => {
      if (socket === this.#socket) this.#over?.();
    };
    this.#socket = await Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port: this.port,
      data: undefined,
      socket: {
        data: (socket, chunk) => {
          this.#text += chunk.toString();
          const [, head = "", length] = this.#text.match(/^([\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n)/i) ?? [];
          if (length !== undefined && this.#text.length >= head.length + Number(length)) over(socket);
        },
        end: over,
        close: over,
        error: over,
      },
    });
    return this.#socket;
  }
}

/** Linux's numbers (bits/socket.h, asm-generic/errno.h): the tests run there. */
const MSG_PEEK = 2;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;

/** Whether the peer's end has come to our kernel, whatever Bun knows of it. */
function look({ fd }: Socket<undefined>): "open" | "ended" {
  const count = libc.recv(fd, new Uint8Array(1), 1, MSG_PEEK | MSG_DONTWAIT);
  return count > 0 || (count < 0 && errno() === EAGAIN) ? "open" : "ended";
}
