/** What a connection's legs have and ask around them: the relay's limits, and what only the system knows of a descriptor. */
export interface Surroundings {
  /** Milliseconds of silence after which a TCP peer is probed; Infinity for never. */
  readonly tcpKeepalive: number;
  /** Bytes that the peer of `fd` has not taken yet. */
  unsentBytes(fd: number): number;
  /** Lets the kernel keep `bytes` for the peer of `fd`. */
  setSendBuffer(fd: number, bytes: number): void;
  /** Has a TCP peer probed that is silent for `idle` milliseconds. */
  setKeepAlive(fd: number, idle: number): void;
  /** Asks for a call of `look` in a while. */
  lookSoon(): void;
}
