import type { SocketHandler, SocketListener } from "bun";
import type { ListeningSocket } from "../activation/activation.ts";
import { closeDescriptor, duplicate, setBacklog } from "../descriptor.ts";
import type { Leg } from "./leg.ts";

/** As long a queue as the kernel grants: it caps this by net.core.somaxconn or kern.ipc.somaxconn. */
const backlog = 4096;

/**
 * Accepts from one descriptor. Bun closes the descriptor that it is given when it stops, so it gets a duplicate each
 * time; between two times newcomers wait in the kernel's queue. Owns the descriptor of `socket` until `close`.
 */
export class Listener {
  #accepting: SocketListener<Leg> | null = null;

  constructor(
    readonly socket: ListeningSocket,
    /** Its `open` gets each accepted socket. */
    readonly handlers: SocketHandler<Leg>,
  ) {}

  accept(): void {
    if (this.#accepting !== null) return;
    const fd = duplicate(this.socket.fd);
    this.#accepting = Bun.listen<Leg>({ fd, allowHalfOpen: true, socket: this.handlers });
    // Bun has set the queue to 511.
    setBacklog(fd, backlog);
  }

  /** Works inside `open` too: not one connection more is accepted. */
  pause(): void {
    this.#accepting?.stop();
    this.#accepting = null;
  }

  close(): void {
    this.pause();
    closeDescriptor(this.socket.fd);
  }
}
