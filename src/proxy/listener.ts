import type { SocketHandler, SocketListener } from "bun";
import { formatAddress } from "../address.ts";
import { reasonOf } from "../errors.ts";
import { log } from "../log.ts";
import { explainShortage, isShortage } from "../system/shortage.ts";
import type { ListeningSocket } from "../system/sockets.ts";
import { acceptClient, closeDescriptor, duplicate, setBacklog } from "../system/sockets.ts";
import type { Side } from "./side.ts";

/** As long a queue as the kernel grants: it caps this by net.core.somaxconn or kern.ipc.somaxconn. */
const queueLength = 4096;
/** Milliseconds until accepting is tried again after it has failed: they grow between these two. */
const backoff = { first: 5, longest: 250 };

/** What a socket holds until `open` has given it a side. */
const noSide = undefined as unknown as Side;

/**
 * Accepts from one descriptor. Bun closes the descriptor that it is given when it stops, so it gets a duplicate each
 * time; between two times new connections wait in the kernel's queue. Owns the descriptor of `socket` until `close`.
 */
export class Listener {
  #accepting: SocketListener<Side> | null = null;
  #wanted = false;
  /** Whether clients are being accepted here and not by Bun. */
  #taking = false;
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
    this.#wanted = true;
    if (this.#accepting !== null || this.#retry !== undefined || this.#taking) return;
    if (this.#failingSince !== null) {
      const shortage = this.#takeWaiting(Number.POSITIVE_INFINITY);
      if (shortage !== null) return this.#failed(shortage);
      if (!this.#wanted) return;
    }
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

  /**
   * Finds out whether accept(2) fails for lack of descriptors or memory, and then tries at growing intervals. To be called while
   * processor time goes by: Bun tells nobody, and asks anew without end (us_internal_dispatch_ready_poll in bun-usockets' loop.c).
   * On macOS there is nothing to find out: a client for whom no descriptor is left is dropped (accept_nocancel in xnu's
   * bsd/kern/uipc_syscalls.c).
   */
  probe(): void {
    if (this.#accepting === null) return;
    const shortage = this.#takeWaiting(1);
    if (shortage === null || this.#accepting === null) return;
    this.#accepting.stop();
    this.#accepting = null;
    this.#failed(shortage);
  }

  /** Accepts up to `most` clients without Bun's listener, as long as more are wanted. Returns what there is a shortage of, if so. */
  #takeWaiting(most: number): string | null {
    this.#taking = true;
    try {
      for (let count = 0; count < most && this.#wanted; count++) {
        const client = acceptClient(this.socket.fd);
        if (typeof client === "string") {
          if (isShortage(client)) return client;
          // Nobody waits, or the one that did has gone already.
          return null;
        }
        this.#adopt(client);
      }
      return null;
    } finally {
      this.#taking = false;
    }
  }

  /** Gives Bun a client's descriptor; `open` is called before this returns. */
  #adopt(fd: number): void {
    Bun.connect<Side>({ fd, allowHalfOpen: true, data: noSide, socket: this.handlers }).catch(() => {
      // The event loop has no memory for it: it is Bun's to close.
    });
  }

  #failed(reason: string): void {
    if (this.#failingSince === null) {
      this.#failingSince = performance.now();
      log.warn(
        `cannot accept on ${formatAddress(this.socket.address)}: ${explainShortage(reason)}; new connections wait`,
      );
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
    this.#wanted = false;
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
