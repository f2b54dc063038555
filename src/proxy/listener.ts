import type { SocketHandler, SocketListener } from "bun";
import { formatAddress } from "../address.ts";
import { reasonOf } from "../errors.ts";
import { log } from "../log.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { closeDescriptor, duplicate, setBacklog } from "../system/sockets.ts";
import type { Side } from "./side.ts";

/** As long a queue as the kernel grants: it caps this by net.core.somaxconn or kern.ipc.somaxconn. */
const queueLength = 4096;
/** Milliseconds until accepting is tried again after it could not be begun: they grow between these two. */
const backoff = { first: 5, longest: 250 };

/**
 * Accepts from one descriptor. Bun closes the descriptor that it is given when it stops, so it gets a duplicate each
 * time; between two times new connections wait in the kernel's queue. Owns the descriptor of `socket` until `close`.
 */
export class Listener {
  #accepting: SocketListener<Side> | null = null;
  #retry: Timer | undefined;
  #backoff = backoff.first;
  /** Since when nothing can be accepted. */
  #failingSince: number | null = null;

  constructor(
    readonly socket: ListeningSocket,
    /** Its `open` gets each accepted socket. */
    readonly handlers: SocketHandler<Side>,
  ) {}

  accept(): void {
    if (this.#accepting !== null || this.#retry !== undefined) return;
    let fd: number | undefined;
    try {
      fd = duplicate(this.socket.fd);
      this.#accepting = Bun.listen<Side>({ fd, allowHalfOpen: true, socket: this.handlers });
      // Bun has set the queue to 511.
      setBacklog(fd, queueLength);
      this.#succeeded();
    } catch (error) {
      // Out of descriptors or memory: that passes, and clients wait in the kernel's queue meanwhile.
      if (fd !== undefined) closeDescriptor(fd);
      this.#failed(reasonOf(error));
    }
  }

  #failed(reason: string): void {
    if (this.#failingSince === null) {
      this.#failingSince = performance.now();
      log.warn(`cannot accept on ${formatAddress(this.socket.address)} (${reason}); new connections wait`);
    }
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.accept();
    }, this.#backoff);
    this.#backoff = Math.min(this.#backoff * 1.5, backoff.longest);
  }

  #succeeded(): void {
    this.#backoff = backoff.first;
    if (this.#failingSince === null) return;
    const seconds = ((performance.now() - this.#failingSince) / 1000).toFixed(1);
    this.#failingSince = null;
    log.info(`accepting on ${formatAddress(this.socket.address)} again after ${seconds} s`);
  }

  /** Works inside `open` too: not one connection more is accepted. */
  pause(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#accepting?.stop();
    this.#accepting = null;
  }

  close(): void {
    this.pause();
    closeDescriptor(this.socket.fd);
  }
}
