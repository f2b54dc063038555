import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Connection } from "../../src/proxy/connection.ts";
import { IdleWatch } from "../../src/proxy/idle-watch.ts";
import { connectionOf, ScriptedOwner } from "../support/scripted-peer.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const time = 8_000;
/** An eighth of the time, and the quarter by which the clock may be late: until the first look, and so many times two for an end. */
const look = 1_250;

/** A watch over scripted connections; `idle` is how often the time was over. */
function watch({ atRest = true } = {}) {
  const owner = new ScriptedOwner();
  const connections = new Set<Connection>();
  let idle = 0;
  const it = new IdleWatch(connections, { exitIdleTime: time, exitIdleAtRest: atRest }, owner.clock, () => {
    idle++;
  });
  const open = () => {
    const one = connectionOf();
    connections.add(one.connection);
    it.restart();
    return one;
  };
  const leave = ({ connection }: ReturnType<typeof connectionOf>) => {
    connections.delete(connection);
    it.restart();
  };
  it.restart();
  return { it, open, leave, idle: () => idle, connections };
}

const pass = (milliseconds: number) => jest.advanceTimersByTime(milliseconds);

test("without a connection the time is exact, and begins with the last one's end", () => {
  for (const atRest of [false, true]) {
    const { open, leave, idle } = watch({ atRest });
    pass(time - 1);
    const one = open();
    one.clientPeer.data(1);
    pass(3 * time);
    expect(idle()).toBe(0);
    leave(one);
    pass(time - 1);
    expect(idle()).toBe(0);
    pass(1);
    expect(idle()).toBe(1);
  }
});

test("connections at rest count as none, if that is wanted", () => {
  for (const atRest of [false, true]) {
    const { open, idle } = watch({ atRest });
    open();
    open().backendPeer.data(10);
    pass(time - 1);
    expect(idle()).toBe(0);
    pass(2 * look + 1);
    expect(idle()).toBe(atRest ? 1 : 0);
  }
});

test("a client that waits for its answer is never one of them, and its answer begins the time anew", () => {
  const { open, idle } = watch();
  open();
  const { clientPeer, backendPeer } = open();
  clientPeer.data(10);
  pass(20 * time);
  expect(idle()).toBe(0);
  backendPeer.data(10);
  pass(time - 1);
  expect(idle()).toBe(0);
  pass(2 * look + 1);
  expect(idle()).toBe(1);
});

test("every byte begins the time anew, and so does a connection that comes or goes", () => {
  const { open, leave, idle } = watch();
  const { backendPeer } = open();
  for (const use of [() => backendPeer.data(1), open, () => leave(open())]) {
    use();
    pass(time - 1);
    use();
    pass(time - 1);
    expect(idle()).toBe(0);
  }
  pass(2 * look + 1);
  expect(idle()).toBe(1);
});

test("the time begins when the client's kernel has acknowledged everything", () => {
  const { open, idle } = watch();
  const { clientPeer, backendPeer } = open();
  clientPeer.unsent = 1;
  backendPeer.data(10);
  pass(5 * time);
  clientPeer.unsent = 0;
  pass(time - 1);
  expect(idle()).toBe(0);
  pass(2 * look + 1);
  expect(idle()).toBe(1);
});

test("a byte that nobody has read yet is seen at the last look, and the time begins anew", () => {
  const { open, idle } = watch();
  const { clientPeer } = open();
  pass(2 * look);
  clientPeer.unread = 1;
  pass(2 * time);
  expect(idle()).toBe(0);
  clientPeer.unread = 0;
  pass(time + 2 * look);
  expect(idle()).toBe(1);
});

test("what was not ended by the end of the time is looked at again", () => {
  const { open, idle } = watch();
  open();
  pass(4 * (time + 2 * look));
  expect(idle()).toBeWithin(3, 6);
});

test("closes each after one more look, in order, and stops at one that is not at rest", () => {
  const { it, open, connections } = watch();
  const [first, second, third] = [open(), open(), open()];
  second.clientPeer.unread = 1;
  expect(it.closeAll()).toBe(false);
  expect([first, second, third].map(({ clientPeer }) => clientPeer.calls)).toEqual([["end"], [], []]);
  expect([first.backendPeer.calls, first.connection.outcome]).toEqual([["end"], "at rest"]);
  second.clientPeer.unread = 0;
  connections.delete(first.connection);
  expect(it.closeAll()).toBe(true);
  for (const { clientPeer, backendPeer } of [second, third]) {
    expect([clientPeer.calls, backendPeer.calls]).toEqual([["end"], ["end"]]);
  }
});

test("a program's byte between the looks is not lost either", () => {
  const { it, open } = watch();
  const one = open();
  one.backendPeer.unread = 1;
  expect(it.closeAll()).toBe(false);
  expect([one.clientPeer.calls, one.backendPeer.calls]).toEqual([[], []]);
});

test("a client that has its FIN already, since the program has ended its answer, is closed too", () => {
  const { it, open } = watch();
  const one = open();
  one.clientPeer.data(10);
  one.backendPeer.data(10);
  one.backend.end();
  expect(one.clientPeer.calls).toEqual(["shutdown"]);
  expect(it.closeAll()).toBe(true);
  expect([one.clientPeer.calls, one.backendPeer.calls]).toEqual([["shutdown", "end"], ["end"]]);
});

test("what a client sends between the last look and its FIN is told", () => {
  const { it, open } = watch();
  const one = open();
  const { kernel } = one.owner;
  const looked = jest.spyOn(kernel, "shutDownIfRead").mockImplementation(() => {
    one.clientPeer.unread = 1;
    return true;
  });
  expect(it.closeAll()).toBe(true);
  expect([one.connection.outcome, looked.mock.calls]).toEqual([
    "at rest, while its client sent",
    [[one.clientPeer.fd]],
  ]);
});
