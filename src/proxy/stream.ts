import type { Peer } from "./peer.ts";

/** Where a stream's bytes come from. */
export interface Source {
  /** Stops reading, until `resume`. */
  pause(): void;
  resume(): void;
  /** Bytes that it sent were dropped. */
  dropped(): void;
  /** Closes the source's socket if nothing is left for it to do. */
  closeIfDone(): void;
}

/** Where a stream's bytes go. */
export interface Sink {
  readonly kind: "tcp" | "unix";
  /** Null before there is a socket, and after its end. */
  readonly peer: Peer | null;
  /** Whether a reset has to take the place of FIN, because the sink was not heard in full. */
  readonly mustBeReset: boolean;
  /** The sink does not take everything at once. */
  growSendBuffer(): void;
  /** The source has ended, and the sink's kernel has everything. */
  finish(): void;
  /** Resets the sink: at once, or when everything is delivered. */
  resetWhenDelivered(): void;
  reset(): void;
  /** Closes the sink's socket if nothing is left for it to do. */
  closeIfDone(): void;
}

/** What the two streams of a connection share. */
export interface Conversation {
  /** The stream whose source has sent bytes last; null as long as neither has. */
  lastSpeaker: Stream | null;
}

/**
 * `open`: the source sends, the sink takes. `discarding`: the sink is gone; what still comes is counted and dropped.
 * `ending`: the source has ended; the sink does not have everything yet. `resetting`: the sink is reset once it has what
 * came before. `over`: nothing moves any more.
 */
export type StreamState = "open" | "discarding" | "ending" | "resetting" | "over";

/** Bytes of a client that are kept until its backend is reached. Pausing at once costs six system calls for each TCP connect. */
const preConnectLimit = 65_536;

/**
 * One direction of a connection: carries what its source sends to its sink, in order. What the sink does not take yet is
 * queued, and the source is not read meanwhile. Events may come twice and in any order: `end` after `close`, `flush` at any time.
 */
export class Stream {
  state: StreamState = "open";
  /** Bytes that came from the source. */
  received = 0;
  /** Bytes that the sink's kernel has taken, the header included. */
  sent = 0;
  #queue: Uint8Array[] = [];
  #headerLength = 0;

  constructor(
    readonly source: Source,
    readonly sink: Sink,
    readonly conversation: Conversation,
  ) {}

  /** Whether the source sends no more. */
  get ended(): boolean {
    return this.state !== "open" && this.state !== "discarding";
  }

  /** Whether the sink gets no more. */
  get shut(): boolean {
    return this.state === "discarding" || this.state === "over";
  }

  /** Whether bytes wait for the sink. */
  get queued(): boolean {
    return this.#queue.length > 0;
  }

  /** Whether something is still to be done for the sink: bytes to write, or a reset after them. */
  get pending(): boolean {
    return this.#queue.length > 0 || this.state === "resetting";
  }

  /** Bytes of the source that the sink's kernel has not taken; what it took and the sink left unread does not count. */
  get undelivered(): number {
    return this.received - Math.max(0, this.sent - this.#headerLength);
  }

  /** Those that it will never take. */
  get lost(): number {
    return this.shut ? this.undelivered : 0;
  }

  /** Puts `header` before all that will be sent. */
  prepend(header: Uint8Array): void {
    this.#headerLength = header.length;
    this.#queue.unshift(header);
  }

  /** Bytes came from the source. They are the stream's to keep, except for `borrowed` ones: those are copied if they have to wait. */
  write(chunk: Uint8Array, borrowed = false): void {
    this.received += chunk.length;
    this.conversation.lastSpeaker = this;
    if (this.shut) return this.source.dropped();
    const { peer } = this.sink;
    if (peer !== null && this.#queue.length === 0) {
      const count = peer.write(chunk);
      if (count < 0) return this.#sinkFailed();
      this.sent += count;
      if (count === chunk.length) return;
      this.sink.growSendBuffer();
      // A view of the rest would keep the whole chunk in memory.
      if (count > 0) [chunk, borrowed] = [new Uint8Array(chunk.subarray(count)), false];
    }
    this.#queue.push(borrowed ? chunk.slice() : chunk);
    if (peer !== null || this.received >= preConnectLimit) this.source.pause();
  }

  /** The sink takes bytes again, or says so without reason: the queue is tried once more. */
  flush(): void {
    const { peer } = this.sink;
    if (peer === null) return;
    for (let chunk = this.#queue[0]; chunk !== undefined; chunk = this.#queue[0]) {
      const count = peer.write(chunk);
      if (count < 0) return this.#sinkFailed();
      this.sent += count;
      if (count < chunk.length) {
        this.sink.growSendBuffer();
        if (count > 0) this.#queue[0] = restOf(chunk, count);
        return;
      }
      this.#queue.shift();
    }
    this.source.resume();
    if (this.state === "ending") this.#finish();
  }

  /** The source has ended in order. */
  end(): void {
    if (this.state === "discarding") this.state = "over";
    if (this.state !== "open") return;
    this.state = "ending";
    if (this.#queue.length === 0 && this.sink.peer !== null) this.#finish();
  }

  /** The source was reset. */
  reset(): void {
    if (this.state === "discarding") this.state = "over";
    if (this.state !== "open") return;
    this.state = "resetting";
    this.sink.resetWhenDelivered();
  }

  /** The source's end was no orderly one, as shows afterwards: unless FIN has gone to the sink, it is reset in place of that. */
  cutOff(): void {
    if (this.state !== "ending") return this.reset();
    this.state = "resetting";
    this.sink.resetWhenDelivered();
  }

  /** The sink's socket is closed: what is queued is dropped, and what still comes must not stay unread. */
  close(): void {
    this.#drop();
    this.source.closeIfDone();
  }

  /** Everything that came before the source's end is with the sink's kernel. */
  #finish(): void {
    if (this.sink.mustBeReset) {
      this.state = "resetting";
      return this.sink.resetWhenDelivered();
    }
    this.state = "over";
    this.sink.finish();
  }

  /** The sink takes nothing any more; it may still have something to say. */
  #sinkFailed(): void {
    if (this.state === "resetting") return this.sink.reset();
    this.#drop();
    this.sink.closeIfDone();
  }

  #drop(): void {
    if (this.queued) this.#queue = [];
    this.state = this.ended ? "over" : "discarding";
    this.source.resume();
    if (this.undelivered > 0) this.source.dropped();
  }
}

/** What comes after the first `count` bytes. A view keeps all of the chunk in memory: a short rest is copied. */
function restOf(chunk: Uint8Array, count: number): Uint8Array {
  const rest = chunk.subarray(count);
  return rest.length > rest.buffer.byteLength / 2 ? rest : rest.slice();
}
