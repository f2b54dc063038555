import type { Kernel } from "./kernel.ts";
import type { Stream } from "./stream.ts";

/** A socket whose peer may have gone without a word. */
export interface WatchedSocket {
  readonly kind: "tcp" | "unix";
  readonly inbound: Stream;
  readonly outbound: Stream;
  readonly owner: {
    readonly kernel: Kernel;
    /** Milliseconds of silence after which a TCP peer is probed; Infinity for never. */
    readonly tcpKeepalive: number;
  };
}

/** Milliseconds of the ten keep-alive probes, one each second, after which a silent peer counts as gone (setKeepAlive). */
const probing = 10_000;
/** Milliseconds between the looks whether a Unix peer that has ended its data has gone. */
export const disconnectCheck = 2_000;

/** Whether a peer that says nothing is still there: what the kernel does not tell of itself is asked from time to time. */
export class Liveness {
  #probes: "due" | "decided" = "due";

  constructor(readonly socket: WatchedSocket) {}

  /**
   * Looks at the connected socket `fd`. Returns milliseconds until the next look, Infinity for none; or how the peer has gone: it
   * has closed its socket (`disconnected`), or its kernel does not answer any more (`vanished`).
   */
  check(fd: number): number | "disconnected" | "vanished" {
    return this.socket.kind === "tcp" ? this.#checkTcp(fd) : this.#checkUnix(fd);
  }

  /** On macOS nothing tells of a Unix peer that closes some time after it has ended its data. */
  #checkUnix(fd: number): number | "disconnected" {
    const { inbound, outbound, owner } = this.socket;
    if (!inbound.ended || outbound.shut) return Number.POSITIVE_INFINITY;
    return owner.kernel.isDisconnected(fd) ? "disconnected" : disconnectCheck;
  }

  /**
   * On Linux the kernel's keep-alive does not run while data is on its way (tcp_keepalive_timer in net/ipv4/tcp_timer.c), and it
   * retransmits for a quarter of an hour. On macOS keep-alive runs in every state (TCPT_KEEP in xnu's bsd/netinet/tcp_timer.c).
   * A peer that is alive and takes nothing is not cut: its kernel answers probes.
   */
  #checkTcp(fd: number): number | "vanished" {
    const { kernel, tcpKeepalive } = this.socket.owner;
    if (tcpKeepalive === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    if (this.#probes === "due") kernel.setKeepAlive(fd, tcpKeepalive);
    this.#probes = "decided";
    const bound = tcpKeepalive + probing;
    if (kernel.unsentBytes(fd) === 0) return bound / 2;
    return kernel.unansweredFor(fd) < bound ? Math.max(1_000, bound / 8) : "vanished";
  }
}
