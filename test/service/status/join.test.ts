import { expect, test } from "bun:test";
import { details } from "../../../src/service/status/details.ts";
import type { Entry } from "../../../src/service/status/entry.ts";
import { join, joinOne } from "../../../src/service/status/join.ts";
import { account, entry } from "./fixture.ts";

/** A service as launchd and its property list have it. */
const service = (differing: Partial<Entry> = {}): Entry => ({
  ...{ name: "com.example.web", state: "running", works: true, pid: 4711, addresses: ["127.0.0.1:80"] },
  ...{ program: ["node", "web.js"], status: null, problem: null, lastEnd: "ended normally", log: "/tmp/web.log" },
  ...{ causes: [], tail: null },
  ...differing,
});

test("a daemon of a service is that service's, and the others follow", () => {
  const others = [entry({ name: null, pid: 5000 }), entry({ name: "web.service", pid: 6000 })];
  const waiting = service({ name: "com.example.idle", state: "waiting for a connection", pid: null });
  const silent = entry({ pid: null, name: null });
  const all = join([waiting, service()], [others[0] as Entry, entry(), silent, others[1] as Entry]);
  expect(all.map(({ name, pid }) => [name, pid])).toEqual([
    ["com.example.idle", null],
    ["com.example.web", 4711],
    [null, 5000],
    [null, null],
    ["web.service", 6000],
  ]);
  expect(all[1]).toMatchObject({ status: account(), lastEnd: "ended normally", log: "/tmp/web.log" });
  expect(all[0]?.status).toBeNull();
});

test("a daemon that stops, or does not answer, is told of a service that launchd has running", () => {
  const stopping = entry({ state: "stopping", works: false });
  expect(joinOne(service(), stopping)).toMatchObject({ state: "stopping", works: false });
  const problem = "process 4711 does not answer within 1 s; try again";
  const silent = entry({ state: "does not answer", works: false, status: null, program: null, problem });
  expect(joinOne(service(), silent)).toMatchObject({ problem, program: ["node", "web.js"], works: false });
  const failing = service({ state: "keeps failing", works: false });
  expect(joinOne(failing, silent)).toMatchObject({ state: "keeps failing", problem: null });
  expect(joinOne(failing, undefined)).toBe(failing);
});

test("details begin with the reasons, and end with the log", () => {
  const causes = ["127.0.0.1:80 is held by httpd (pid 345), so launchd cannot serve it; stop that"];
  const tail = { lines: ["first", "a \x1b[31mline that is red"] };
  const text = details(service({ state: "its port is taken", works: false, pid: null, causes, tail }), "3.0.0");
  expect(text.split("\n")).toEqual([
    "com.example.web: its port is taken",
    "  why          127.0.0.1:80 is held by httpd (pid 345), so launchd cannot serve",
    "               it; stop that",
    "  serves       127.0.0.1:80",
    "  program      node web.js",
    "  last run     ended normally",
    "  log          /tmp/web.log",
    "    first",
    "    a \\u001b[31mline that is red",
  ]);
  expect(details(service({ tail: { problem: "permission denied; use sudo" } }), "3.0.0")).toEndWith(
    "  log          /tmp/web.log\n               permission denied; use sudo",
  );
});
