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

test("TCP peers are probed from half a second on, once, and what is over by then is not", () => {
  const short = connectionOf();
  short.connection.close("stopped");
  const lasting = connectionOf({ backend: "unix" });
  jest.advanceTimersByTime(400);
  expect(lasting.clientPeer.keepAlive).toEqual([]);
  jest.advanceTimersByTime(200);
  lasting.backendPeer.close();
  jest.advanceTimersByTime(2_000);
  expect([lasting.clientPeer.keepAlive, lasting.backendPeer.keepAlive]).toEqual([[60_000], []]);
  expect([short.clientPeer.keepAlive, short.backendPeer.keepAlive]).toEqual([[], []]);
  lasting.connection.close("stopped");
});

test("a backend that comes late is probed too; nobody is where probes are off", () => {
  const late = connectionOf({}, { connected: false });
  jest.advanceTimersByTime(1_000);
  late.connection.connected(late.backendPeer);
  const off = connectionOf({}, { tcpKeepalive: Number.POSITIVE_INFINITY });
  jest.advanceTimersByTime(1_000);
  expect([late.clientPeer.keepAlive, late.backendPeer.keepAlive]).toEqual([[60_000], [60_000]]);
  expect([off.clientPeer.keepAlive, off.backendPeer.keepAlive]).toEqual([[], []]);
  late.connection.close("stopped");
  off.connection.close("stopped");
});

test.each(["client", "backend"] as const)(
  "a Unix %s that vanishes after its data has ended is found within ten seconds",
  (role) => {
    const { owner, connection, clientPeer, backendPeer } = connectionOf({ client: "unix", backend: "unix" });
    const [gone, peer] = role === "client" ? [connection.client, clientPeer] : [connection.backend, backendPeer];
    gone.end();
    jest.advanceTimersByTime(60_000);
    expect(owner.ended).toEqual([]);
    peer.vanished = true;
    jest.advanceTimersByTime(10_000);
    expect([owner.ended, connection.outcome]).toEqual([[connection], "in order"]);
    expect(peer.calls.at(-1)).toBe("end");
  },
);

test("only a Unix peer whose data has ended, and that may still get some, is asked whether it is there", () => {
  for (const [kind, ended] of [
    ["tcp", true],
    ["unix", false],
  ] as const) {
    const { owner, connection, client, clientPeer } = connectionOf({ client: kind });
    if (ended) client.end();
    clientPeer.vanished = true;
    jest.advanceTimersByTime(60_000);
    expect(owner.ended).toEqual([]);
    connection.close("stopped");
  }
});

test("a TCP peer whose kernel answers nothing while data is on its way is given up after keep-alive's time, not before", () => {
  for (const [role, outcome] of [
    ["client", "client vanished"],
    ["backend", "program vanished"],
  ] as const) {
    const { owner, connection, clientPeer, backendPeer } = connectionOf();
    const [gone, other] = role === "client" ? [clientPeer, backendPeer] : [backendPeer, clientPeer];
    other.data(1_000);
    gone.unsent = 1_000;
    gone.unanswered = 69_999;
    jest.advanceTimersByTime(120_000);
    expect(owner.ended).toEqual([]);
    gone.unanswered = 70_000;
    jest.advanceTimersByTime(12_000);
    expect([connection.outcome, gone.calls, other.calls]).toEqual([outcome, ["terminate"], ["terminate"]]);
    expect(owner.ended).toEqual([connection]);
  }
});

test("nobody is given up who has everything, or where probes are off, or over a Unix socket", () => {
  for (const [kind, unsent, tcpKeepalive] of [
    ["tcp", 0, 60_000],
    ["tcp", 1_000, Number.POSITIVE_INFINITY],
    ["unix", 1_000, 60_000],
  ] as const) {
    const { owner, connection, clientPeer, backendPeer } = connectionOf({ client: kind }, { tcpKeepalive });
    backendPeer.data(1_000);
    clientPeer.unsent = unsent;
    clientPeer.unanswered = 1_000_000;
    jest.advanceTimersByTime(300_000);
    expect(owner.ended).toEqual([]);
    connection.close("stopped");
  }
});
