import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { connectionOf } from "../support/scripted-peer.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  const timers = jest.getTimerCount();
  jest.clearAllTimers();
  jest.useRealTimers();
  expect(timers).toBe(0);
});

test("what one peer sends the other gets", () => {
  const it = connectionOf();
  it.clientPeer.data(1_000);
  it.backendPeer.data(2_000);
  it.clientPeer.data(1);
  expect([it.backendPeer.written, it.clientPeer.written]).toEqual([1_001, 2_000]);
  expect([it.up.received, it.up.sent]).toEqual([1_001, 1_001]);
  expect([it.down.received, it.down.sent]).toEqual([2_000, 2_000]);
  it.connection.close("stopped");
});

test("a peer that takes a part pauses the source until it has taken the rest, 8,192 bytes at a time", () => {
  const it = connectionOf();
  it.clientPeer.room = 8_192;
  it.clientPeer.atOnce = 8_192;
  it.backendPeer.data(40_000);
  expect([it.clientPeer.written, it.backendPeer.paused]).toEqual([8_192, true]);
  for (const written of [16_384, 24_576, 32_768]) {
    it.clientPeer.take(8_192);
    expect([it.clientPeer.written, it.backendPeer.paused]).toEqual([written, true]);
  }
  it.clientPeer.take(8_192);
  expect([it.clientPeer.written, it.backendPeer.paused]).toEqual([40_000, false]);
  it.connection.close("stopped");
});

test("a spurious drain changes nothing", () => {
  const it = connectionOf();
  it.client.outbound.flush();
  it.clientPeer.room = 0;
  it.backendPeer.data(10);
  for (let times = 0; times < 3; times++) it.client.outbound.flush();
  it.backend.outbound.flush();
  expect([it.clientPeer.written, it.backendPeer.paused, it.down.pending]).toEqual([0, true, true]);
  it.clientPeer.take(10);
  expect([it.clientPeer.written, it.backendPeer.paused, it.down.pending]).toEqual([10, false, false]);
  it.connection.close("stopped");
});

test("data that comes although its peer is paused is kept in order", () => {
  const it = connectionOf();
  it.clientPeer.room = 5;
  it.backendPeer.data(10);
  expect(it.backendPeer.paused).toBe(true);
  it.backendPeer.data(20);
  it.backendPeer.data(30);
  it.clientPeer.take(Number.POSITIVE_INFINITY);
  expect(it.clientPeer.written).toBe(60);
  it.connection.close("stopped");
});

test("a dead peer's own data is still delivered, and its source is not kept waiting", () => {
  const { client, backend, clientPeer, backendPeer } = connectionOf();
  clientPeer.room = 0;
  backendPeer.data(10);
  clientPeer.dead = -1;
  client.outbound.flush();
  expect(backendPeer.paused).toBe(false);
  backendPeer.data(10);
  clientPeer.data(5);
  expect(backendPeer.written).toBe(5);
  client.end();
  backend.end();
  expect([client.closed, backend.closed]).toEqual([true, true]);
});

test("data for a peer that is not there yet is kept, and its source is paused from 64 KB on", () => {
  const { connection, clientPeer, backendPeer } = connectionOf({}, { connected: false });
  clientPeer.data(100);
  expect(clientPeer.paused).toBe(false);
  clientPeer.data(65_436);
  expect(clientPeer.paused).toBe(true);
  connection.connected(backendPeer);
  expect([backendPeer.written, clientPeer.paused]).toEqual([65_536, false]);
  connection.close("stopped");
});

test("a header that was not sent is no loss of the client's, and one that was is no delivery", () => {
  for (const sent of [0, 10, 28]) {
    const it = connectionOf({}, { connected: false });
    it.up.prepend(new Uint8Array(28));
    it.backendPeer.dead = sent === 28 ? null : -1;
    expect(it.up.undelivered).toBe(0);
    it.up.sent = sent;
    expect(it.up.undelivered).toBe(0);
    it.up.received = 5;
    expect(it.up.undelivered).toBe(5);
    it.up.received = 0;
    it.connection.close("stopped");
  }
});
