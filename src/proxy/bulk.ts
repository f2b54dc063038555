import { readableBytes, receiveInto, setReceiveBuffer } from "../descriptor.ts";
import type { Leg } from "./leg.ts";

/**
 * Bun reads up to 512 KB at a time and hands every chunk over in memory of its own, which has to be fetched, filled by
 * one more copy and collected. Where a chunk shows that much data is on its way, what has come meanwhile is read into
 * this one buffer instead and sent on from it: 0.45 to 0.6 of the CPU time for a gigabyte.
 */
const buffer = new Uint8Array(128 * 1024);
/** To a TCP peer 48 KiB at a time take the least (32: 1.1 to 1.3 times the CPU time, 64: 1.7); to a Unix socket 128 (64: 1.2). */
const tcpLength = 48 * 1024;
/** A chunk as long as this shows that much is on its way. */
const large = 64 * 1024;
/**
 * Bytes until it is the next connection's turn. Beside four transfers the others wait for 1 to 3.5 ms (medians), with half as
 * much again for up to 5; with a quarter less, a gigabyte to a Unix socket takes 1.4 times the CPU time.
 */
const turn = 1024 * 1024;
/**
 * What a slow client has not taken is kept: all that was read at once, which is up to 512 KB, but no more than there was.
 * A Unix socket holds little (208 KB on Linux, 8 KB on macOS); what a TCP socket holds grows to megabytes unless limited.
 */
const receiveBuffer = 128 * 1024;

/** Hands over a chunk that Bun has read for `leg`, and what else is there if it was a large one. */
export function receive(leg: Leg, chunk: Uint8Array): void {
  if (chunk.length < large) return leg.receive(chunk);
  const fd = leg.flowing;
  if (fd !== undefined && leg.role === "backend" && leg.kind === "tcp") setReceiveBuffer(fd, receiveBuffer);
  leg.receive(chunk);
  receiveWaiting(leg);
  leg.intake.follow();
}

/**
 * Hands over what the peer's kernel buffer holds, while the other side takes it. Only bytes are taken from the kernel: the
 * end of the data and errors stay there for Bun to find, since asking first means never reading more than there is.
 */
export function receiveWaiting(leg: Leg): void {
  for (const end = leg.received + turn; leg.received < end; ) {
    const fd = leg.flowing;
    if (fd === undefined) return;
    const length = Math.min(readableBytes(fd), leg.other.kind === "tcp" ? tcpLength : buffer.length);
    const count = length > 0 ? receiveInto(fd, buffer, length) : 0;
    if (count <= 0) return;
    leg.receive(buffer.subarray(0, count), true);
  }
}
