import { expect, test } from "bun:test";
import { tellSights } from "../../../src/service/install/sights.ts";

const contact = (port: number) => ({ kind: "tcp" as const, host: "127.0.0.1", port });
const status = (waitingFor: string | null, ...targets: string[]) => ({
  addresses: targets.map((target, index) => ({ listen: `127.0.0.1:${80 + index}`, target })),
  waitingFor,
});
type State = "answered" | "open" | "closed";
const told = (states: State[], account: Parameters<typeof tellSights>[1]) => {
  const lines: string[] = [];
  const sights = states.map((state, index) => ({ contact: contact(80 + index), state }));
  tellSights(sights, account, (line) => lines.push(line));
  return lines;
};

test("what a client saw itself needs nobody's account", () => {
  expect(told(["answered", "closed", "open"], null)).toEqual([
    "127.0.0.1:80: a client was answered by the program",
    "127.0.0.1:81: a client was connected, and then closed by the program; the log may say why",
    "127.0.0.1:82: a client is connected; whether the program has accepted it, only the program knows",
  ]);
});

test("who only holds a connection waits for what its address leads to", () => {
  const waitingFor = "the program, which does not listen at /tmp/b yet (ENOENT)";
  expect(told(["open", "open"], status(null, "/tmp/a", "/tmp/b"))).toEqual([
    "127.0.0.1:80: a client is connected to the program",
    "127.0.0.1:81: a client is connected to the program",
  ]);
  expect(told(["open", "open"], status(waitingFor, "/tmp/a", "/tmp/b"))).toEqual([
    "127.0.0.1:80: a client is connected",
    `127.0.0.1:81: a client is connected and waits for ${waitingFor}`,
  ]);
  // A name's addresses are not in the daemon's words.
  expect(told(["open"], status("the program, which has a full queue", "/tmp/a"))).toEqual([
    "127.0.0.1:80: a client is connected and waits for the program, which has a full queue",
  ]);
});
