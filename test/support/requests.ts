import { connect } from "node:net";
import type { Address } from "../../src/address.ts";

/**
 * One HTTP request on a connection of its own, which is never repeated. Resolves with the body of its answer, chunks and all. Throws an
 * Error that says what is missing.
 */
export function request(address: Address, path = "/"): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(
      address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port },
    );
    socket.setEncoding("latin1");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", (error) => reject(new Error(`${error.message} after ${JSON.stringify(text)}`)));
    socket.on("end", () => {
      socket.end();
      const problem = whatIsMissing(text);
      if (problem === null) resolve(text.slice(text.indexOf("\r\n\r\n") + 4));
      else reject(new Error(`${problem}: ${JSON.stringify(text)}`));
    });
  });
}

function whatIsMissing(answer: string): string | null {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return "no whole head";
  const [head, body] = [answer.slice(0, end), answer.slice(end + 4)];
  if (!head.startsWith("HTTP/1.1 200 ")) return "not 200";
  if (/^transfer-encoding: chunked$/im.test(head)) return body.endsWith("0\r\n\r\n") ? null : "no last chunk";
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  return length === undefined || Number(length) !== body.length ? "not its whole body" : null;
}

/** Clients that make one request after the other, all at the same time, until they are told to stop. */
export class Crowd {
  /** How many answers there were of each version, by the first word of the body. */
  readonly answers = new Map<string, number>();
  readonly failures: string[] = [];
  /** The longest that a client has waited for its answer, in milliseconds. */
  longest = 0;
  #begun = 0;
  #most = Number.POSITIVE_INFINITY;
  readonly #all: Promise<unknown>;

  constructor(
    readonly address: Address,
    clients: number,
    /** Milliseconds between a client's requests. */
    readonly pause = 0,
  ) {
    this.#all = Promise.all(Array.from({ length: clients }, () => this.#work()));
  }

  get answered(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when at least `requests` have been made, and all of them are over. */
  async over(requests = 0): Promise<void> {
    this.#most = Math.max(requests, this.#begun);
    await this.#all;
  }

  async #work(): Promise<void> {
    while (this.#begun < this.#most) {
      this.#begun++;
      const since = performance.now();
      try {
        const [name = ""] = (await request(this.address)).split(" ");
        this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
      } catch (error) {
        this.failures.push((error as Error).message);
      }
      this.longest = Math.max(this.longest, performance.now() - since);
      if (this.pause > 0) await Bun.sleep(this.pause);
    }
  }
}
