/** What a side needs of a Bun socket; unit tests play it. */
export interface Peer {
  readonly fd: number;
  /** An IP address; missing for a Unix socket, and once the peer has gone. */
  readonly remoteAddress: string | undefined;
  /** Returns how many bytes were taken; a negative number means that the peer takes nothing any more. */
  write(data: Uint8Array): number;
  /** Sends the end of our data; theirs goes on. */
  shutdown(): void;
  /** Closes in order; the kernel delivers what it still holds. */
  end(): void;
  /** Resets at once; what the kernel had not sent yet is thrown away. */
  terminate(): void;
  pause(): void;
  resume(): void;
}
