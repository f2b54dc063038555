import { expect, test } from "bun:test";
import { differences, lostKeys } from "../../../src/service/install/difference.ts";

const before = { Label: "a", Nice: 5, Sockets: { Socket: { SockServiceName: "80" } }, ProgramArguments: ["x", "y"] };
const after = {
  Label: "a",
  Sockets: { Socket: [{ SockServiceName: "81" }] },
  ProgramArguments: ["x"],
  KeepAlive: true,
};

test("is a line for each value that goes or comes", () => {
  expect(differences(before, after)).toEqual([
    "- Nice: 5",
    "- Sockets.Socket.SockServiceName: 80",
    "- ProgramArguments[1]: y",
    "+ Sockets.Socket[0].SockServiceName: 81",
    "+ KeepAlive: true",
  ]);
  expect(differences(before, structuredClone(before))).toEqual([]);
});

test("keys that are lost are those of the outermost level", () => {
  expect(lostKeys(before, after)).toEqual(["Nice"]);
});
