/**
 * What the relay's own objects cost, without sockets: nanoseconds for a connection that carries one chunk each way and ends in
 * order, and for a chunk of one that goes on. Prints the medians of 15 runs.
 *
 *   bun scripts/bench/connections.ts
 */
import { Clock } from "../../src/proxy/clock.ts";
import { Connection, type ConnectionOwner } from "../../src/proxy/connection.ts";
import type { Peer } from "../../src/proxy/peer.ts";
import { median } from "./statistics.ts";

class WillingPeer implements Peer {
  readonly fd = 1_000;
  readonly remoteAddress = "127.0.0.1";
  write(data: Uint8Array): number {
    return data.length;
  }
  shutdown(): void {}
  end(): void {}
  terminate(): void {}
  pause(): void {}
  resume(): void {}
}

const owner: ConnectionOwner = {
  limits: { tcpKeepalive: 60_000, idleTimeout: Number.POSITIVE_INFINITY },
  clock: new Clock(),
  kernel: {
    growReceiveBuffer: () => {},
    isDisconnected: () => false,
    largeChunkRead: () => {},
    offeredWindow: () => 0,
    readableBytes: () => 0,
    receiveInto: () => 0,
    sendRoom: () => Number.POSITIVE_INFINITY,
    setKeepAlive: () => {},
    setReceiveBuffer: () => {},
    shutDownIfRead: () => true,
    setSendBuffer: () => {},
    unansweredFor: () => 0,
    unsentBytes: () => 0,
  },
  tickSoon: () => {},
  cancelDial: () => {},
  connectionEnded: () => {},
};
const chunk = new Uint8Array(1_000);

function connected(): Connection {
  const connection = new Connection(owner, "", { client: "tcp", backend: "unix" });
  connection.accept(new WillingPeer(), null);
  connection.connected(new WillingPeer());
  return connection;
}

function makeConnections(count: number): void {
  for (let index = 0; index < count; index++) {
    const { client, backend } = connected();
    client.receive(chunk);
    backend.receive(chunk);
    backend.end();
    client.end();
    client.socketClosed();
    backend.socketClosed();
  }
}

function carryChunks(count: number): void {
  const { client, backend } = connected();
  for (let index = 0; index < count; index += 2) {
    client.receive(chunk);
    backend.receive(chunk);
  }
}

/** Nanoseconds for one. */
function cost(work: (count: number) => void, count: number): string {
  work(count);
  const times = Array.from({ length: 15 }, () => {
    const start = performance.now();
    work(count);
    return ((performance.now() - start) * 1_000_000) / count;
  });
  return median(times).toFixed(1);
}

console.log(`${cost(makeConnections, 200_000)} ns a connection, ${cost(carryChunks, 5_000_000)} ns a chunk`);
