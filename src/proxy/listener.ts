import type { SocketHandler, SocketListener } from "bun";
import { formatAddress } from "../address.ts";
import { reasonOf } from "../errors.ts";
import { log } from "../log.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { closeDescriptor, duplicate, setBacklog } from "../system/sockets.ts";
import type { Side } from "./side.ts";

/** As long a queue as the kernel grants: it caps this by net.core.somaxconn or kern.ipc.somaxconn. */
const backlog = 4096;
/** Milliseconds until accepting is tried again after it could not be begun. */
const pauseAfterFailure = 1_000;

/**
 * Accepts from one descriptor. Bun closes the descriptor that it is given when it stops, so it gets a duplicate each
 * time; between two times new connections wait in the kernel's queue. Owns the descriptor of `socket` until `close`.
 */
export class Listener {
  #accepting: SocketListener<Side> | null = null;
  #retry: Timer | undefined;

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
      setBacklog(fd, backlog);
    } catch (error) {
      // Out of descriptors or memory: that passes, and clients wait in the kernel's queue meanwhile.
      if (fd !== undefined) closeDescriptor(fd);
      log.warn(`cannot accept on ${formatAddress(this.socket.address)}: ${reasonOf(error)}; trying again`);
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.accept();
      }, pauseAfterFailure);
    }
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
